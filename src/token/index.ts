// The life of one token: when to request the next one, what iSales's responses mean, and how to answer a rejected call. Only
// this folder decides about tokens and credentials. It does not know HTTP servers, pages, or how replicas share an account.
export { openAttemptFile } from './attempt-file.ts'
export {
  createIsalesClient,
  isGrant,
  isRejection,
  withScheme,
  type Credentials,
  type Grant,
  type Operation,
} from './isales-client.ts'
export type { TokenSnapshot } from './snapshot.ts'
export { BACKOFFS } from './login-guard.ts'
export { createRegister, type Home, type StoredValue } from './register.ts'
export { FORMAT } from './stored-state.ts'
export { createTokenRequests } from './request-token.ts'
export {
  createToken,
  type CurrentToken,
  type Granted,
  type TokenEvent,
  type TokenRequest,
  type TokenResult,
} from './token.ts'
export { tokenLog } from './token-log.ts'
export { createTokenSource, type RejectedToken, type TokenSource } from './token-source.ts'
