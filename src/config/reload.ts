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
  /** `settings`: the variables that name the files of a part that is in use now. */
  readonly onReloaded: (settings: readonly string[]) => void
  /** What is wrong with a part; what it held before stays in use. Called only when that has changed. */
  readonly onProblems: (part: Part, problems: readonly SettingProblem[]) => void
}

interface ReloadOptions extends ReloadListener {
  readonly env: Environment
  /** In force. */
  readonly config: Config
  /** Each gets the configuration when its part is sound, and other than before. True: it reports that by itself. */
  readonly users: Readonly<Record<Part, (latest: Config) => boolean | void>>
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
  const parts = Object.entries<PartOf>(PARTS).map(([part, { names, keys }]) => ({
    part: part as Part,
    names,
    keys,
    files: names.filter((name) => pathOf(name) !== ''),
    hash: hashOf(config, keys),
    problems: '[]',
  }))
  const paths = parts.flatMap(({ files }) => files.map(pathOf))
  /** Inode, time of change and size of all files, at the last look and when they were last read. */
  const marks = { seen: '', read: '' }
  let quiet = 0
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  /** Asynchronous, since a mount that hangs must stop no call. */
  async function look(): Promise<void> {
    const found = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)))
    const mark = found.map((file) => file && `${file.ino} ${file.ctimeMs} ${file.size}`).join()
    quiet = mark === marks.seen ? quiet + 1 : 0
    marks.seen = mark
  }

  function read(): void {
    if (isClosed) return
    marks.read = marks.seen
    const { config: latest, problems } = loadConfig(env)
    for (const one of parts) {
      const { part, names, files, keys, problems: former } = one
      const own = problems.filter(({ setting }) => names.includes(setting.replace(/_FILE$/, '')))
      const errors = own.filter(({ isWarning }) => isWarning !== true)
      one.problems = JSON.stringify(errors)
      if (one.problems !== former) onProblems(part, errors)
      const hash = hashOf(latest, keys)
      // What is back as it was is reported, too.
      if (errors.length > 0 || (hash === one.hash && former === '[]')) continue
      one.hash = hash
      own.forEach(onWarning)
      if (users[part](latest as Config) !== true) onReloaded(files.map((name) => `${name}_FILE`))
    }
  }

  async function poll(): Promise<void> {
    await look()
    if (marks.seen !== marks.read && quiet >= QUIET_LOOKS) read()
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
function hashOf(config: Loaded['config'], keys: readonly (keyof Config)[]): string {
  const revealed = (value: unknown): unknown => {
    if (value instanceof Secret) return { secret: value.reveal() }
    return typeof value === 'object' && value !== null
      ? Object.entries(value).map((entry) => entry.map(revealed))
      : value
  }
  const text = JSON.stringify(keys.map((key) => revealed(config[key])))
  return createHash('sha256').update(text).digest('base64')
}
