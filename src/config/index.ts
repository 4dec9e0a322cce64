// Everything that can be set, once: environment and files in, a `Config` or every error out; certificates, secrets that
// cannot print, and files that are read again when they change.
export {
  endpointOf,
  hostIn,
  isLoopback,
  parseEndpoint,
  urlHost,
  type ListenAddress,
} from './address.ts'
export { readTls, secureContextOptions, type TlsFiles } from './certificates.ts'
export { formatError, valueOf, type ConfigError } from './config-error.ts'
export { makeDirectory, originalOf, readSmallFile, type ReadFile } from './files.ts'
export { duration, formatDuration, readText, FormatError } from './formats.ts'
export { path as pathFormat, type StoreAddress } from './formats-net.ts'
export { loadConfig, type EffectiveSetting, type Environment, type Loaded } from './load.ts'
export { watchConfigFiles, type ReloadListener, type TlsSources } from './reload.ts'
export { createReloadable } from './reloadable.ts'
export { Secret, withoutLogin } from './secret.ts'
export {
  PUBLISHED_REFRESH_PATH,
  refreshPathOf,
  SECRET_VARIABLES,
  SETTING_LIST,
  type Config,
  type Setting,
} from './settings.ts'
export { KNOWN, nearest } from './unknown-variables.ts'
