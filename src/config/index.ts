// Reads every setting from environment and files into a `Config`, or reports all problems. Also certificates, secrets
// that cannot print, and the reload of changed files.
export { createHostRule, toEndpoint, isLoopback, urlHost, type ListenAddress } from './address.ts'
export { secureContextOptions, type TlsFiles } from './certificates.ts'
export { connectionsWithin } from './descriptors.ts'
export { egressFor, diagnosticContext } from './endpoints.ts'
export { readSmallFile, type ReadFile } from './files.ts'
export {
  duration,
  formatTokenHeader,
  hosts as hostsFormat,
  path as pathFormat,
  withRejection,
  type StoreAddress,
} from './formats.ts'
export { loadConfig, type Config, type Environment, type Loaded } from './load.ts'
export { watchFiles, type ReloadListener } from './reload.ts'
export { holds, Secret } from './secret.ts'
export {
  PUBLISHED_REFRESH_PATH,
  SECRET_VARIABLES,
  type ReloadGroup,
  type SettingProblem,
} from './settings.ts'
export { KNOWN, nearest } from './unknown-variables.ts'
