import { statSync } from 'node:fs'
import { readTls, type TlsFiles } from './certificates.ts'
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
  const watches: FileWatch[] = []
  const watch = <T>({ files, settle, read, use, silent }: Reloadable<T>): void => {
    const onChange = (changed: readonly string[]): void => {
      const outcome = read()
      if (!outcome.ok) return listener.onFailed(outcome.errors)
      outcome.warnings?.forEach(listener.onWarning)
      use(outcome.value, ownersOf(changed))
      const named = files.filter((key) => changed.includes(config[key] ?? ''))
      if (silent !== true) listener.onReloaded(named.map(nameOf), ownersOf(changed))
    }
    const paths = files.flatMap((key) => config[key] ?? [])
    watches.push(watchFiles(paths, { onChange, settle }))
  }
  const readCredentials = () => rereadSettings(['isalesUser', 'isalesPassword'], config)
  watch({
    files: ['isalesUserFile', 'isalesPasswordFile'],
    settle: CREDENTIALS_SETTLE,
    read: readCredentials,
    use: users.credentials,
    silent: true,
  })
  watch({
    files: ['obsUserFile', 'obsPasswordFile', 'obsTicketKeyFile'],
    read: () => rereadSettings(['obsUser', 'obsPassword', 'obsTicketKey'], config),
    use: users.obsSecrets,
  })
  watch({
    files: ['isalesCaFile', 'isalesClientCertFile', 'isalesClientKeyFile'],
    read: () => readTls('isales', config),
    use: users.upstreamTls,
  })
  watch({
    files: ['listenTlsCertFile', 'listenTlsKeyFile', 'listenClientCaFile'],
    read: () => readTls('listen', config),
    use: users.listenTls,
  })
  // They may have changed between the reading of the configuration, which warned, and the beginning of the watch.
  const latest = readCredentials()
  if (latest.ok) users.credentials(latest.value, 'file')
  else listener.onFailed(latest.errors)
  return {
    reread() {
      for (const each of watches) each.reread()
    },
    close() {
      for (const each of watches) each.close()
    },
  }
}

/** A file may have gone since it was read. */
function ownersOf(paths: readonly string[]): string {
  const uids = paths.flatMap((path) => statSync(path, { throwIfNoEntry: false })?.uid ?? [])
  return `file of uid ${[...new Set(uids)].join(', ')}`
}

interface Reloadable<T> {
  /** The settings that name them. */
  readonly files: readonly FileKey[]
  /** Milliseconds, see `watchFiles`. */
  readonly settle?: number
  readonly read: () => Read<T>
  readonly use: (value: T, owners: string) => void
  /** `use` reports by itself. */
  readonly silent?: true
}
