import { readListenTls, readUpstreamTls, type ListenTls, type UpstreamTls } from './certificates.ts'
import type { ConfigError } from './errors.ts'
import type { FilesRead } from './files.ts'
import { rereadSettings } from './load.ts'
import type { Config } from './settings.ts'
import { watchFiles, type FileWatch } from './watch.ts'

type Credentials = Pick<Config, 'isalesUser' | 'isalesPassword'>

/** Puts new values in the place of the former ones. */
export interface FileUsers {
  /** Reports by itself, since a file may be written again with the same credentials. */
  readonly credentials: (value: Credentials) => void
  readonly obsSecrets: (value: Pick<Config, 'obsUser' | 'obsPassword' | 'obsTicketKey'>) => void
  readonly upstreamTls: (value: UpstreamTls) => void
  readonly listenTls: (value: ListenTls) => void
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
  const credentials: Reloadable<Credentials> = {
    files: {
      ISALES_USER_FILE: config.isalesUserFile,
      ISALES_PASSWORD_FILE: config.isalesPasswordFile,
    },
    settle: CREDENTIALS_SETTLE,
    read: () => rereadSettings(['isalesUser', 'isalesPassword'], config),
    use(value) {
      users.credentials(value)
      return false
    },
  }
  const watches = [
    reloadOnChange(listener, credentials),
    reloadOnChange(listener, {
      files: {
        OBS_USER_FILE: config.obsUserFile,
        OBS_PASSWORD_FILE: config.obsPasswordFile,
        OBS_TICKET_KEY_FILE: config.obsTicketKeyFile,
      },
      read: () => rereadSettings(['obsUser', 'obsPassword', 'obsTicketKey'], config),
      use: users.obsSecrets,
    }),
    reloadOnChange(listener, {
      files: {
        ISALES_CA_FILE: config.isalesCaFile,
        ISALES_CLIENT_CERT_FILE: config.isalesClientCertFile,
        ISALES_CLIENT_KEY_FILE: config.isalesClientKeyFile,
      },
      read: () => readUpstreamTls(config),
      use: users.upstreamTls,
    }),
    reloadOnChange(listener, {
      files: {
        LISTEN_TLS_CERT_FILE: config.listenTlsCertFile,
        LISTEN_TLS_KEY_FILE: config.listenTlsKeyFile,
        LISTEN_CLIENT_CA_FILE: config.listenClientCaFile,
      },
      read: () => readListenTls(config),
      use: (tls) => tls && users.listenTls(tls),
    }),
  ]
  // They may have changed between the reading of the configuration, which warned, and the beginning of the watch.
  reload({ ...listener, onWarning: () => undefined }, credentials, [])
  return {
    reread() {
      for (const watch of watches) watch.reread()
    },
    close() {
      for (const watch of watches) watch.close()
    },
  }
}

interface Reloadable<T> {
  /** The paths by the names of their settings. */
  readonly files: Readonly<Record<string, string | undefined>>
  /** Milliseconds, see `watchFiles`. */
  readonly settle?: number
  readonly read: () => FilesRead<T>
  /** False: nothing is to be reported. */
  readonly use: (value: T) => unknown
}

function reloadOnChange<T>(listener: ReloadListener, reloadable: Reloadable<T>): FileWatch {
  const paths = Object.values(reloadable.files).filter((path) => path !== undefined)
  return watchFiles(paths, {
    ...(reloadable.settle === undefined ? {} : { settle: reloadable.settle }),
    onChange: (changed) => reload(listener, reloadable, changed),
  })
}

function reload<T>(
  listener: ReloadListener,
  { files, read, use }: Reloadable<T>,
  changed: readonly string[],
): void {
  const outcome = read()
  if (!outcome.ok) {
    listener.onFailed(outcome.errors)
    return
  }
  outcome.warnings?.forEach(listener.onWarning)
  if (use(outcome.value) === false) return
  const named = Object.entries(files).filter(([, path]) => path && changed.includes(path))
  listener.onReloaded(named.map(([name]) => name))
}
