import { stat } from 'node:fs/promises'
import type { TlsFiles } from './certificates.ts'
import { loadConfig, type Environment, type Loaded } from './load.ts'
import type { SettingProblem } from '../setting-problem.ts'
import { Secret } from './secret.ts'
import type { Config } from './settings.ts'

/** Who uses what files hold, in four parts. A part is handed over when it is sound, and other than before. */
export interface FileUsers {
  /** `by`: `file of uid 0`, of the files that changed. True: they are news, which it reports by itself. */
  readonly credentials: (
    value: Pick<Config, 'isalesUser' | 'isalesPassword'>,
    by: string,
  ) => boolean
  readonly obsLogin: (value: Pick<Config, 'obsUser' | 'obsPassword'>) => void
  readonly isalesTls: (value: TlsFiles) => void
  readonly listenTls: (value: TlsFiles) => void
}

export interface ReloadListener {
  /** A doubt about a part, before it is used. */
  readonly onWarning: (warning: SettingProblem) => void
  /** `settings`: the variables of the files that are in use now. `by`: as above. */
  readonly onReloaded: (settings: readonly string[], by: string) => void
  /** What is wrong with a part; what it held before stays in use. Called only when that has changed. */
  readonly onProblems: (part: Part, problems: readonly SettingProblem[]) => void
}

export type Part = keyof FileUsers

/** The settings of each part that files may hold: each may be named with `_FILE`. */
const SETTINGS: Readonly<Record<Part, readonly string[]>> = {
  credentials: ['ISALES_USER', 'ISALES_PASSWORD'],
  obsLogin: ['OBS_USER', 'OBS_PASSWORD'],
  isalesTls: ['ISALES_CA', 'ISALES_CLIENT_CERT', 'ISALES_CLIENT_KEY'],
  listenTls: ['LISTEN_CLIENT_CA', 'LISTEN_TLS_CERT', 'LISTEN_TLS_KEY'],
}
const PARTS = Object.keys(SETTINGS) as readonly Part[]

/** Milliseconds between two looks at the metadata of the files. */
const INTERVAL = 500
/** Looks without another change before files are read: those that belong together are written one after the other. */
const QUIET_LOOKS = 4

export interface Reload {
  /** Reads the files now. */
  readonly now: () => Promise<void>
  readonly close: () => void
}

/** What watches the files. */
interface ReloadOptions {
  readonly env: Environment
  /** In force. */
  readonly config: Config
  readonly users: FileUsers
  readonly listener: ReloadListener
  /** Milliseconds. Default 500. */
  readonly interval?: number
}

/**
 * Reads the configuration again when one of its files has changed, which polling sees on every file system, be it a
 * rename over the file or the `..data` swap of a mounted Secret. What is wrong stays in force as it was, and is said once.
 */
export function watchFiles(options: ReloadOptions): Reload {
  const { env, config, users, listener, interval = INTERVAL } = options
  const fileOf = (name: string): string => env[`${name}_FILE`]?.trim() ?? ''
  const paths = new Set(Object.values(SETTINGS).flat().map(fileOf).filter(Boolean))
  /** Inode, time of change, size and owner of each file at the last look. */
  const seen = new Map<string, { readonly mark: string; readonly uid: number | undefined }>()
  /** Since they were last read. */
  const changed = new Set<string>()
  const inForce: Partial<Record<Part, object>> = {}
  for (const part of PARTS) inForce[part] = valueOf(part, config)
  const saidOf = new Map<Part, string>()
  let quiet = 0
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  /** Asynchronous, since a mount that hangs must stop no call. True: a file is not as it was. */
  async function look(): Promise<boolean> {
    const before = changed.size
    for (const path of paths) {
      const found = await stat(path).catch(() => undefined)
      const mark = found === undefined ? '' : `${found.ino} ${found.ctimeMs} ${found.size}`
      if (seen.get(path)?.mark === mark) continue
      if (seen.has(path)) changed.add(path)
      seen.set(path, { mark, uid: found?.uid })
      quiet = 0
    }
    return changed.size > before
  }

  function read(): void {
    const { config: latest, problems } = loadConfig(env)
    for (const part of PARTS) {
      const own = problems.filter(({ setting }) =>
        SETTINGS[part].includes(setting.replace(/_FILE$/, '')),
      )
      const errors = own.filter(({ isWarning }) => isWarning !== true)
      const said = JSON.stringify(errors)
      const former = saidOf.get(part) ?? '[]'
      saidOf.set(part, said)
      if (said !== former) listener.onProblems(part, errors)
      const value = valueOf(part, latest)
      const isBack = former !== '[]'
      if (errors.length > 0 || (isSame(inForce[part], value) && !isBack)) continue
      for (const one of own) listener.onWarning(one)
      inForce[part] = value
      handOver(part, latest as Config)
    }
    changed.clear()
  }

  function handOver(part: Part, latest: Config): void {
    const named = SETTINGS[part].filter((name) => paths.has(fileOf(name)))
    const other = named.filter((name) => changed.has(fileOf(name)))
    const files = other.length > 0 ? other : named
    const uids = new Set(files.flatMap((name) => seen.get(fileOf(name))?.uid ?? []))
    const by = `file of uid ${[...uids].join(', ')}`
    if (part === 'credentials' && users.credentials(latest, by)) return
    if (part === 'obsLogin') users.obsLogin(latest)
    if (part === 'isalesTls' || part === 'listenTls') users[part](latest[part])
    listener.onReloaded(
      files.map((name) => `${name}_FILE`),
      by,
    )
  }

  async function poll(): Promise<void> {
    await look()
    if (isClosed) return
    quiet += 1
    if (changed.size > 0 && quiet > QUIET_LOOKS) read()
    timer = setTimeout(() => void poll(), interval).unref()
  }

  if (paths.size > 0) {
    // They may have changed since the configuration was read.
    void look().then(() => {
      if (isClosed) return
      read()
      timer = setTimeout(() => void poll(), interval).unref()
    })
  }
  return {
    async now() {
      await look()
      if (!isClosed) read()
    },
    close() {
      isClosed = true
      clearTimeout(timer)
    },
  }
}

function valueOf(part: Part, config: Loaded['config']): object {
  const { isalesUser, isalesPassword, obsUser, obsPassword } = config
  if (part === 'credentials') return { isalesUser, isalesPassword }
  if (part === 'obsLogin') return { obsUser, obsPassword }
  return config[part] ?? {}
}

/** Of two objects that hold texts, numbers and secrets. */
function isSame(one: object = {}, other: object): boolean {
  const plain = (value: unknown): unknown => (value instanceof Secret ? value.reveal() : value)
  const former = new Map(Object.entries(one))
  return Object.entries(other).every(([key, value]) => plain(former.get(key)) === plain(value))
}
