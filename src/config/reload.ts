import { join } from 'node:path'
import { readTls, type TlsFiles } from './certificates.ts'
import type { ConfigError, Read } from './errors.ts'
import { rereadSettings } from './load.ts'
import { nameOf, type Config, type FileKey } from './settings.ts'
import { watchFiles, type FileWatch } from './watch.ts'

/** In `STATE_DIR`: the command `renew` writes it, and the running proxy logs in when it has changed. */
export function renewFile(stateDir: string): string {
  return join(stateDir, 'renew')
}

/** Puts new values in the place of the former ones. */
export interface FileUsers {
  /** Reports by itself: a file may be written again with the same credentials. */
  readonly credentials: (value: Pick<Config, 'isalesUser' | 'isalesPassword'>) => void
  readonly obsSecrets: (value: Pick<Config, 'obsUser' | 'obsPassword' | 'obsTicketKey'>) => void
  readonly upstreamTls: (value: TlsFiles) => void
  readonly listenTls: (value: TlsFiles) => void
}

export interface ReloadListener {
  /** Called before the value is used. */
  readonly onWarning: (warning: ConfigError) => void
  /** `settings`: the names of those whose files changed. */
  readonly onReloaded: (settings: readonly string[]) => void
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
      use(outcome.value)
      const named = files.filter((key) => changed.includes(config[key] ?? ''))
      if (silent !== true) listener.onReloaded(named.map(nameOf))
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
  if (latest.ok) users.credentials(latest.value)
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

interface Reloadable<T> {
  /** The settings that name them. */
  readonly files: readonly FileKey[]
  /** Milliseconds, see `watchFiles`. */
  readonly settle?: number
  readonly read: () => Read<T>
  readonly use: (value: T) => void
  /** `use` reports by itself. */
  readonly silent?: true
}
