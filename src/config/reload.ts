import { statSync } from 'node:fs'
import { readTls, TLS_FILES, type TlsFiles } from './certificates.ts'
import type { ConfigError, Read } from './errors.ts'
import { rereadSettings } from './load.ts'
import { nameOf, type Config, type FileKey } from './settings.ts'
import { watchFiles, type FileWatch } from './watch.ts'

/** Puts new values in the place of the former ones. */
export interface FileUsers {
  /** Reports by itself: a file may be written again with the same credentials. `owners`: as of `onReloaded`. */
  readonly credentials: (
    value: Pick<Config, 'isalesUser' | 'isalesPassword'>,
    owners: string,
  ) => void
  readonly obsSecrets: (value: Pick<Config, 'obsUser' | 'obsPassword' | 'obsTicketKey'>) => void
  readonly upstreamTls: (value: TlsFiles) => void
  readonly listenTls: (value: TlsFiles) => void
}

export interface ReloadListener {
  /** Called before the value is used. */
  readonly onWarning: (warning: ConfigError) => void
  /** `settings`: the names of those whose files changed. `owners`: `file of uid 0`, of each of these files. */
  readonly onReloaded: (settings: readonly string[], owners: string) => void
  /** The former value stays in use. */
  readonly onFailed: (errors: readonly ConfigError[]) => void
}

/** User and password are written one after the other: half of a change would cost an attempt to log in. */
const CREDENTIALS_SETTLE = 2000

/** Reads files again when they change, and uses what they hold when all that belongs together is good. */
export function watchConfigFiles(
  config: Config,
  users: FileUsers,
  listener: ReloadListener,
): FileWatch {
  /** Calls `use`, which reports by itself, with what has changed in these files. */
  const watch = <T>(
    files: readonly FileKey[],
    read: () => Read<T>,
    use: (value: T, owners: string, changed: readonly FileKey[]) => void,
    settle?: number,
  ): FileWatch => {
    const onChange = (paths: readonly string[]): void => {
      const outcome = read()
      if (!outcome.ok) return listener.onFailed(outcome.errors)
      outcome.warnings?.forEach(listener.onWarning)
      const changed = files.filter((key) => paths.includes(config[key] ?? ''))
      use(outcome.value, ownersOf(paths), changed)
    }
    const paths = files.flatMap((key) => config[key] ?? [])
    return watchFiles(paths, { onChange, settle })
  }
  const reported =
    <T>(use: (value: T) => void) =>
    (value: T, owners: string, changed: readonly FileKey[]): void => {
      use(value)
      listener.onReloaded(changed.map(nameOf), owners)
    }
  const readCredentials = () => rereadSettings(['isalesUser', 'isalesPassword'], config)
  const readObs = () => rereadSettings(['obsUser', 'obsPassword', 'obsTicketKey'], config)
  const watches = [
    watch(
      ['isalesUserFile', 'isalesPasswordFile'],
      readCredentials,
      users.credentials,
      CREDENTIALS_SETTLE,
    ),
    watch(
      ['obsUserFile', 'obsPasswordFile', 'obsTicketKeyFile'],
      readObs,
      reported(users.obsSecrets),
    ),
    watch(
      Object.values(TLS_FILES.isales),
      () => readTls('isales', config),
      reported(users.upstreamTls),
    ),
    watch(
      Object.values(TLS_FILES.listen),
      () => readTls('listen', config),
      reported(users.listenTls),
    ),
  ]
  // They may have changed between the reading of the configuration, which warned, and the beginning of the watch.
  const latest = readCredentials()
  if (latest.ok) users.credentials(latest.value, 'file')
  else listener.onFailed(latest.errors)
  return {
    reread: () => watches.forEach((each) => each.reread()),
    close: () => watches.forEach((each) => each.close()),
  }
}

/** A file may have gone since it was read. */
function ownersOf(paths: readonly string[]): string {
  const uids = paths.flatMap((path) => statSync(path, { throwIfNoEntry: false })?.uid ?? [])
  return `file of uid ${[...new Set(uids)].join(', ')}`
}
