import type { BackoffState, DeferredReason } from './client.ts'
import type { AuthFailure, Lifetime, Operation } from './protocol.ts'
import type { Token } from './token.ts'

/** Each change in the life of the token, in order: what metrics, log and monitor count and remember. */
export type TokenEvent =
  | { readonly type: 'request-started'; readonly operation: Operation; readonly at: number }
  | {
      readonly type: 'granted'
      readonly operation: Operation
      readonly at: number
      readonly durationMs: number
      readonly token: Token
      /** How many attempts had failed in a row before this one. */
      readonly failuresBefore: number
      /** A login is due all the same: the secret changed, and none with the new one has succeeded yet. */
      readonly loginDue: boolean
      readonly sameToken: boolean
      readonly lifetimeDoubt: Lifetime['doubt']
    }
  | {
      readonly type: 'failed'
      readonly operation: Operation
      readonly at: number
      readonly durationMs: number
      readonly failure: AuthFailure
      readonly failuresInRow: number
      readonly backoff: BackoffState
      /** Milliseconds until the next attempt. */
      readonly retryIn: number
      /** How long requests go on working, milliseconds; 0 when no token is usable. */
      readonly outageBudget: number
    }
  /** Rejected business calls ask for a newer token. */
  | {
      readonly type: 'token-rejected'
      readonly at: number
      readonly generation: number
      /** Of the latest one. */
      readonly status: number
    }
  /** A rejected business call gets the response of iSales: no newer token cures it. */
  | {
      readonly type: 'rejection-relayed'
      readonly at: number
      readonly generation: number
      readonly status: number
    }
  /** The token of another replica is used. */
  | {
      readonly type: 'adopted'
      readonly at: number
      readonly token: Token
      readonly failuresBefore: number
    }
  /** iSales is not asked for so many milliseconds. */
  | {
      readonly type: 'deferred'
      readonly at: number
      readonly because: DeferredReason
      readonly ms: number
    }
  /** SIGHUP. `endsPause` false: nothing was paused, and iSales is asked for nothing. */
  | { readonly type: 'renew-asked'; readonly at: number; readonly endsPause: boolean }
  /** Somebody else logs in as this user: three tokens in a minute ended early, and renewals cured that. */
  | { readonly type: 'conflict'; readonly at: number }
  | { readonly type: 'credentials-changed'; readonly at: number }
