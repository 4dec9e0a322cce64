import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { loadConfig, type Environment, type Loaded } from './load.ts'
import type { SettingProblem } from './problem.ts'
import { Secret } from './secret.ts'
import type { Config } from './settings.ts'

/** What files hold, in four parts: the settings of each, which may be named with `_FILE`, and what follows from them. */
const PARTS = {
  credentials: {
    names: ['ISALES_USER', 'ISALES_PASSWORD'],
    keys: ['isalesUser', 'isalesPassword'],
  },
  obsLogin: { names: ['OBS_USER', 'OBS_PASSWORD'], keys: ['obsUser', 'obsPassword'] },
  isalesTls: {
    names: ['ISALES_CA', 'ISALES_CLIENT_CERT', 'ISALES_CLIENT_KEY'],
    keys: ['isalesTls'],
  },
  listenTls: {
    names: ['LISTEN_CLIENT_CA', 'LISTEN_TLS_CERT', 'LISTEN_TLS_KEY'],
    keys: ['listenTls'],
  },
} as const satisfies Readonly<Record<string, PartOf>>
interface PartOf {
  readonly names: readonly string[]
  readonly keys: readonly (keyof Config)[]
}
export type Part = keyof typeof PARTS

export interface ReloadListener {
  /** A doubt about a part, before it is used. */
  readonly onWarning: (warning: SettingProblem) => void
  /** `settings`: the variables of the files that are in use now. `by`: `file of uid 0`, their owners. */
  readonly onReloaded: (settings: readonly string[], by: string) => void
  /** What is wrong with a part; what it held before stays in use. Called only when that has changed. */
  readonly onProblems: (part: Part, problems: readonly SettingProblem[]) => void
}

interface ReloadOptions extends ReloadListener {
  readonly env: Environment
  /** In force. */
  readonly config: Config
  /** Each gets the configuration when its part is sound, and other than before. True: it reports that by itself. */
  readonly users: Readonly<Record<Part, (latest: Config, by: string) => boolean | void>>
  /** Milliseconds between two looks at the metadata of the files. Default 500. */
  readonly interval?: number
}

/** Looks without another change before files are read: those that belong together are written one after the other. */
const QUIET_LOOKS = 3

/**
 * Reads the configuration again when one of its files has changed, which polling sees on every file system, be it a
 * rename over the file or the `..data` swap of a mounted Secret. What is wrong stays in force as it was, and is said once.
 */
export function watchFiles(options: ReloadOptions) {
  const { env, config, users, interval = 500, onWarning, onReloaded, onProblems } = options
  const pathOf = (name: string): string => env[`${name}_FILE`]?.trim() ?? ''
  const paths = Object.values(PARTS).flatMap(({ names }) => names.map(pathOf).filter(Boolean))
  /** Inode, time of change, size and owner of each file at the last look. */
  const seen = new Map<string, { readonly mark: string; readonly uid: number | undefined }>()
  /** Since they were last read. */
  const changed = new Set<string>()
  const parts = Object.entries<PartOf>(PARTS).map(([part, { names, keys }]) => {
    return { part: part as Part, names, keys, mark: markOf(config, keys), problems: '[]' }
  })
  let quiet = 0
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  /** Asynchronous, since a mount that hangs must stop no call. */
  async function look(): Promise<void> {
    quiet += 1
    for (const path of paths) {
      const found = await stat(path).catch(() => undefined)
      const mark = found === undefined ? '' : `${found.ino} ${found.ctimeMs} ${found.size}`
      const former = seen.get(path)
      if (former?.mark === mark) continue
      seen.set(path, { mark, uid: found?.uid })
      if (former === undefined) continue
      changed.add(path)
      quiet = 0
    }
  }

  function read(): void {
    if (isClosed) return
    const { config: latest, problems } = loadConfig(env)
    for (const one of parts) {
      const { part, names, keys, problems: former } = one
      const own = problems.filter(({ setting }) => names.includes(setting.replace(/_FILE$/, '')))
      const errors = own.filter(({ isWarning }) => isWarning !== true)
      one.problems = JSON.stringify(errors)
      if (one.problems !== former) onProblems(part, errors)
      const mark = markOf(latest, keys)
      // What is back as it was is reported, too.
      if (errors.length > 0 || (mark === one.mark && former === '[]')) continue
      one.mark = mark
      own.forEach(onWarning)
      const named = names.filter((name) => paths.includes(pathOf(name)))
      const latestNames = named.filter((name) => changed.has(pathOf(name)))
      const used = latestNames.length > 0 ? latestNames : named
      const uids = new Set(used.flatMap((name) => seen.get(pathOf(name))?.uid ?? []))
      const by = `file of uid ${[...uids].join(', ')}`
      if (users[part](latest as Config, by) === true) continue
      onReloaded(
        used.map((name) => `${name}_FILE`),
        by,
      )
    }
    changed.clear()
  }

  async function poll(): Promise<void> {
    await look()
    if (changed.size > 0 && quiet >= QUIET_LOOKS) read()
    schedule()
  }
  function schedule(): void {
    if (!isClosed) timer = setTimeout(() => void poll(), interval).unref()
  }

  const now = (): Promise<void> => look().then(read)
  // They may have changed since the configuration was read.
  if (paths.length > 0) void now().then(schedule)
  return {
    /** Reads the files now. */
    now,
    close(): void {
      isClosed = true
      clearTimeout(timer)
    },
  }
}

/** Differs when what these keys hold differs. */
function markOf(config: Loaded['config'], keys: readonly (keyof Config)[]): string {
  const reveal = (value: unknown): unknown => {
    if (value instanceof Secret) return { secret: value.reveal() }
    return typeof value === 'object' && value !== null
      ? Object.entries(value).map((entry) => entry.map(reveal))
      : value
  }
  const text = JSON.stringify(keys.map((key) => reveal(config[key])))
  return createHash('sha256').update(text).digest('base64')
}
