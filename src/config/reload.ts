import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { loadConfig, type Config, type Environment, type Loaded } from './load.ts'
import { Secret } from './secret.ts'
import { FILE_VARIABLES, type SettingProblem } from './settings.ts'

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
  /** Each gets the configuration when its part is sound, and other than before. */
  readonly apply: Readonly<Record<Part, (latest: Config) => void>>
  /** Milliseconds between two looks at the metadata of the files. Default 500. */
  readonly interval?: number
}

/** Milliseconds that a reload which somebody asks for waits for files at most. */
const MAX_WAIT = 1000

/** Looks without another change before files are read: those that belong together are written one after the other. */
const QUIET_LOOKS = 3

/**
 * Reads the configuration again when one of its files has changed, which polling sees on every file system, be it a
 * rename over the file or the `..data` swap of a mounted Secret. What is wrong stays in force as it was, and is said once.
 */
export function watchFiles(options: ReloadOptions) {
  const { env, config, apply, interval = 500, onWarning, onReloaded, onProblems } = options
  const pathOf = (variable: string): string => env[variable]?.trim() ?? ''
  const parts = Object.entries<PartOf>(PARTS).map(([part, { names, keys }]) => ({
    part: part as Part,
    names,
    keys,
    files: names.map((name) => `${name}_FILE`).filter((variable) => pathOf(variable) !== ''),
    hash: hashOf(config, keys),
    problems: '[]',
  }))
  // All that a reload reads, also of the store.
  const paths = FILE_VARIABLES.map(pathOf).filter((path) => path !== '')
  /** Inode, time of change and size of all files, at the last look and when they were last read. */
  const marks = { seen: '', read: '' }
  let quiet = 0
  let looking: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  /**
   * One file after the other: where a mount hangs, that takes one of Node's four threads for files and DNS, and what is
   * read synchronously after the last of them is never begun.
   */
  async function lookAtAll(): Promise<void> {
    const found: string[] = []
    for (const path of paths) {
      const file = await stat(path).catch(() => undefined)
      found.push(file === undefined ? '' : `${file.ino} ${file.ctimeMs} ${file.size}`)
    }
    const mark = found.join()
    quiet = mark === marks.seen ? quiet + 1 : 0
    marks.seen = mark
  }
  function look(): Promise<void> {
    looking ??= lookAtAll().finally(() => (looking = undefined))
    return looking
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
      apply[part](latest as Config)
      onReloaded(files)
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
    /** Reads the files now. Resolves after a second at the latest. */
    now: () => Promise.race([now(), delay(MAX_WAIT, undefined, { ref: false })]),
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
