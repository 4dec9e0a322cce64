import { TLS_FILES, type TlsFiles } from './certificates.ts'
import type { ConfigError } from './config-error.ts'
import { statOf } from './files.ts'
import { rereadSettings } from './load.ts'
import { createReloadable, type Reloadable } from './reloadable.ts'
import { nameOf, type Config, type ConfigKey, type FileKey } from './settings.ts'
import { watchFiles, type FileWatch } from './watch.ts'

/** Puts new values in the place of the former ones. */
export interface FileUsers {
  /** True: they are others than before, which it reports by itself. `owners`: as of `onReloaded`. */
  readonly credentials: (
    value: Pick<Config, 'isalesUser' | 'isalesPassword'>,
    owners: string,
  ) => boolean
  readonly obsSecrets: (value: Pick<Config, 'obsUser' | 'obsPassword' | 'obsTicketKey'>) => void
  readonly upstreamTls: (value: TlsFiles) => void
  readonly listenTls: (value: TlsFiles) => void
}

/** The files of TLS, by whom they are for. */
export type TlsSources = Readonly<Record<'isales' | 'listen', Reloadable<TlsFiles>>>

export interface ReloadListener {
  /** Called before the value is used. */
  readonly onWarning: (warning: ConfigError) => void
  /** `settings`: the names of those whose files changed. `owners`: `file of uid 0`, of each of these files. */
  readonly onReloaded: (settings: readonly string[], owners: string) => void
  /** Files that belong together were read. With errors the former values stay in use. */
  readonly onRead: (files: readonly FileKey[], errors: readonly ConfigError[]) => void
}

/** User and password are written one after the other: half of a change would cost an attempt to log in. */
const CREDENTIALS_SETTLE = 2000

/** Reads files again when they change, and uses what they hold when all that belongs together is good. */
export function watchConfigFiles(
  config: Config,
  tls: TlsSources,
  users: FileUsers,
  listener: ReloadListener,
): FileWatch {
  const settings = <Key extends ConfigKey>(keys: readonly Key[]) => {
    const read = () => rereadSettings(keys, config)
    return createReloadable<Pick<Config, Key>>({
      first: config,
      read,
      onWarning: listener.onWarning,
    })
  }
  /** Calls `use` with what these files hold when that has changed, or can be used again. */
  const watch = <T>(
    files: readonly FileKey[],
    source: Reloadable<T>,
    use: (value: T, owners: string, changed: readonly FileKey[]) => void,
    settle?: number,
  ): FileWatch => {
    const onChange = (paths: readonly string[]): void => {
      const outcome = source.reload()
      const changed = files.filter((key) => paths.includes(config[key] ?? ''))
      listener.onRead(files, typeof outcome === 'string' ? [] : outcome)
      if (outcome === 'changed') use(source.current(), ownersOf(paths), changed)
    }
    const paths = files.flatMap((key) => config[key] ?? [])
    const watched = watchFiles(paths, { onChange, settle })
    // They may have changed between the reading of the configuration and the beginning of the watch.
    if (paths.length > 0) onChange(paths)
    return watched
  }
  const reported =
    <T>(use: (value: T, owners: string) => boolean | void) =>
    (value: T, owners: string, changed: readonly FileKey[]): void => {
      if (use(value, owners) !== true) listener.onReloaded(changed.map(nameOf), owners)
    }
  const credentials = settings(['isalesUser', 'isalesPassword'])
  const obsSecrets = settings(['obsUser', 'obsPassword', 'obsTicketKey'])
  const { isales, listen } = TLS_FILES
  const watches = [
    watch(
      ['isalesUserFile', 'isalesPasswordFile'],
      credentials,
      reported(users.credentials),
      CREDENTIALS_SETTLE,
    ),
    watch(
      ['obsUserFile', 'obsPasswordFile', 'obsTicketKeyFile'],
      obsSecrets,
      reported(users.obsSecrets),
    ),
    watch(Object.values(isales), tls.isales, reported(users.upstreamTls)),
    watch(Object.values(listen), tls.listen, reported(users.listenTls)),
  ]
  return {
    reread: () => watches.forEach((each) => each.reread()),
    close: () => watches.forEach((each) => each.close()),
  }
}

/** A file may have gone since it was read. */
function ownersOf(paths: readonly string[]): string {
  const uids = paths.flatMap((path) => statOf(path)?.uid ?? [])
  return `file of uid ${[...new Set(uids)].join(', ')}`
}
