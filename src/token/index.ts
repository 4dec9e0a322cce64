// The life of one token: who asks for the next one and when, what a response means, what is known of the password, and
// what becomes of a call that iSales rejected. The only judge of token and credentials; it knows nothing of HTTP servers,
// of pages, or of other replicas but the tokens that it is given.
// Used: `createTokenSource` keeps the token, `tokenLog` and `TokenEvent` say what happens to it, `withBook` and its homes
// spare the account, and the client of iSales makes one request each.
export {
  merged,
  NO_ENTRY,
  parseStoredBook,
  storedBook,
  withBook,
  type BookOptions,
  type BookStore,
  type Change,
  type Entry,
  type Updated,
} from './book.ts'
export { openBook } from './book-file.ts'
export { MIN_DISTANCE } from './evidence.ts'
export type { TokenSnapshot } from './lifecycle.ts'
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
} from './protocol.ts'
export { createTokenSource, type RejectedToken, type TokenSource, type Verdict } from './source.ts'
export {
  BACKOFFS,
  createToken,
  usableUntil,
  type Ask,
  type Deferred,
  type Outcome,
  type Token,
  type TokenEvent,
} from './token.ts'
export { tokenLog } from './token-log.ts'
