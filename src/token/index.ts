// The life of one token: who asks for the next one and when, what a response means, what is known of the password, and
// what becomes of a call that iSales rejected. The only judge of token and credentials; it knows nothing of HTTP servers,
// of pages, or of other replicas but the value that a home keeps for them.
export { POLL_INTERVAL } from './account.ts'
export { openAttemptFile } from './attempt-file.ts'
export {
  createIsalesClient,
  isGrant,
  isRefusal,
  withScheme,
  type AuthFailure,
  type Credentials,
  type Grant,
  type IsalesClient,
  type Operation,
} from './isales-client.ts'
export type { TokenSnapshot } from './lifecycle.ts'
export { BACKOFFS, parseRecords, storedRecords } from './login-guard.ts'
export { createRegister, type Home, type SharedState, type StoredValue } from './register.ts'
export { createTokenRequests } from './request-token.ts'
export {
  createToken,
  type Granted,
  type Token,
  type TokenEvent,
  type TokenRequest,
  type TokenResult,
} from './token.ts'
export { tokenLog } from './token-log.ts'
export {
  createTokenSource,
  type RejectedToken,
  type RejectionDecision,
  type TokenSource,
} from './token-source.ts'
