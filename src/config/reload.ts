import { stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { isObject } from '../json.ts'
import { loadConfig, type Config, type Environment, type Loaded } from './load.ts'
import { Secret } from './secret.ts'
import { RELOAD_GROUPS, SETTING_LIST, type ReloadGroup, type SettingProblem } from './settings.ts'

export interface ReloadListener {
  /** Reports a warning about a group, before the group is used. */
  readonly onWarning: (warning: SettingProblem) => void
  /** Reports that a group is now in use; `settings` are the variables that name its files. */
  readonly onReloaded: (group: ReloadGroup, settings: readonly string[]) => void
  /** Reports the problems of a group whose previous values stay in use. Called only if the problems changed. */
  readonly onProblems: (group: ReloadGroup, problems: readonly SettingProblem[]) => void
}

interface ReloadOptions extends ReloadListener {
  readonly env: Environment
  readonly config: Config
  /** Each member receives the configuration if its group is valid and has changed. */
  readonly apply: Readonly<Record<ReloadGroup, (latest: Config) => void>>
  /** Milliseconds between two checks of the files' metadata. Default: 500. */
  readonly interval?: number
}

/** Milliseconds between two checks of a requested reload, and the most that it waits for files. */
const REQUESTED_INTERVAL = 100
const MAX_WAIT = 2000

/** Unchanged checks before files are read: files that belong together are written one after another. */
const QUIET_LOOKS = { polled: 3, requested: 2 }

/** Reads the configuration again when a file has changed. Polling also notices renames and a mounted Secret's `..data` swap. */
export function watchFiles(options: ReloadOptions) {
  const { env, apply, interval = 500, onWarning, onReloaded, onProblems } = options
  let { config } = options
  const pathOf = (variable: string): string => env[variable]?.trim() ?? ''
  const namesFile = (name: string): boolean => name.endsWith('_FILE') && pathOf(name) !== ''
  const groups = RELOAD_GROUPS.map((group) => {
    const settings = SETTING_LIST.filter(({ reload }) => reload === group)
    const variables = settings.flatMap((setting) => setting.variables)
    const values = settings.flatMap(({ key, inFile }) => (inFile ? [key] : []))
    // The files of TLS are read into one value.
    const keys = values.length > 0 ? values : [group as keyof Config]
    const files = variables.filter(namesFile)
    return { group, variables, keys, files, problems: '[]' }
  })
  // All files that a reload reads, also the store's.
  const paths = SETTING_LIST.flatMap(({ variables }) => variables.filter(namesFile).map(pathOf))
  /** Inode, change time and size of all files, at the last check and at the last read. */
  const marks = { seen: '', read: '' }
  let quiet = 0
  let looking: Promise<void> | undefined
  const closing = new AbortController()

  /** Checks one file after another: a hanging mount takes one of Node's four threads, and the synchronous reads never begin. */
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
  const look = () => (looking ??= lookAtAll().finally(() => (looking = undefined)))

  function read(): void {
    if (closing.signal.aborted) return
    marks.read = marks.seen
    const { config: latest, problems } = loadConfig(env)
    for (const one of groups) {
      const { group, variables, files, keys, problems: former } = one
      const own = problems.filter(({ setting }) => variables.includes(setting))
      const errors = own.filter(({ isWarning }) => isWarning !== true)
      one.problems = JSON.stringify(errors)
      if (one.problems !== former) onProblems(group, errors)
      const isSame = revealed(keys, latest) === revealed(keys, config)
      // Also reports a file that was restored to its previous contents.
      if (errors.length > 0 || (isSame && former === '[]')) continue
      own.forEach(onWarning)
      // If another group has errors, `latest` lacks settings.
      config = Object.assign({}, config, Object.fromEntries(keys.map((key) => [key, latest[key]])))
      apply[group](config)
      onReloaded(group, files)
    }
  }

  /** Also waits for files that are still being written: a user and a password of two versions would cost a login. */
  async function settle(): Promise<void> {
    const end = performance.now() + MAX_WAIT - 2 * REQUESTED_INTERVAL
    quiet = -1
    await look()
    while (quiet < QUIET_LOOKS.requested && performance.now() < end) {
      await delay(REQUESTED_INTERVAL, undefined, { ref: false })
      await look()
    }
    read()
  }

  async function poll(): Promise<void> {
    // The files may have changed since the configuration was read.
    await settle()
    while (!closing.signal.aborted) {
      await delay(interval, undefined, { ref: false })
      await look()
      if (marks.seen !== marks.read && quiet >= QUIET_LOOKS.polled) read()
    }
  }
  if (paths.length > 0) void poll()
  return {
    /** Reads the files as soon as three checks, 100 ms apart, agree. Resolves within 2 s. */
    now: () => Promise.race([settle(), delay(MAX_WAIT, undefined, { ref: false })]),
    close: () => closing.abort(),
  }
}

/** Returns a text of the values of these keys, secrets included. Compare it, and do not keep it. */
function revealed(keys: readonly (keyof Config)[], config: Loaded['config']): string {
  const reveal = (value: unknown): unknown => {
    if (value instanceof Secret) return value.reveal()
    return isObject(value) ? Object.entries(value).map((entry) => entry.map(reveal)) : value
  }
  return JSON.stringify(keys.map((key) => reveal(config[key])))
}
