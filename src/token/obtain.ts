import type { Secret } from '../config/secret.ts'
import type { AuthFailure, FailureKind, Grant, Operation } from './protocol.ts'
import type { Token } from './token.ts'

/** The token request that the lifecycle wants. */
export interface Wanted {
  readonly operation: Operation
  /** The password that a login would use. */
  readonly password: Secret
  readonly atHand: AtHand | undefined
  /** Refusals of these credentials in a row that this process knows of. */
  readonly refusals: number
  /** An operator asked: no pause of another replica counts. */
  readonly forced: boolean
}

/** The token that this process has; it may have ended. */
export interface AtHand {
  readonly token: Token
  /** A business call found it rejected. */
  readonly rejected: boolean
}

/** What is known beyond this process before iSales is asked. */
export interface Before {
  /** Failures in a row of all replicas, all of this kind. Undefined: none. */
  readonly failures: { readonly kind: FailureKind; readonly count: number } | undefined
  /** Refusals of these credentials in a row, by all replicas. */
  readonly refusals: number
  /** The other replicas cannot be asked, and each of them may try: one refusal is enough to guard the account. */
  readonly alone: boolean
}

/** Sends the one request to iSales. Never rejects. */
export type Ask = (before?: Before) => Promise<Grant | AuthFailure>

/** A token that another replica obtained. */
export interface Adopted {
  readonly grant: Grant
  /** When the request that gave it was sent, on the monotonic clock of this process. */
  readonly sentAt: number
  /** A rejected business call asked for it. */
  readonly bought: boolean
  /** It was obtained with our credentials, so iSales takes them. */
  readonly ownSecret: boolean
  /** It was obtained with other credentials: log in with ours once, so that a wrong password shows. */
  readonly loginDue: boolean
}

export type HeldBecause =
  /** Another replica asks iSales. */
  | 'busy'
  /** A failure that another replica met. */
  | 'held'
  /** Somebody else logs in as this user, as another replica found. */
  | 'conflict'
  /** iSales refused these credentials. */
  | 'guarded'
  /** The store cannot be reached, and the token at hand is good. */
  | 'alone'

/** How a token request went; the lifecycle takes it as it is. */
export type Obtained =
  | {
      readonly type: 'request-ended'
      readonly outcome: Grant | AuthFailure
      /** Called after a failure with the milliseconds until this process tries again. */
      readonly settle?: (retryIn: number) => void
    }
  | ({ readonly type: 'adopted' } & Adopted)
  /** iSales was not asked. */
  | {
      readonly type: 'held'
      readonly because: HeldBecause
      /** Milliseconds until the token is to be asked for again. */
      readonly ms: number
      /** Refusals of these credentials in a row, by all replicas. */
      readonly refusals: number
    }

/** Gets a token: from iSales by `ask`, or from another replica. Never rejects. */
export type Obtain = (wanted: Wanted, ask: Ask, signal: AbortSignal) => Promise<Obtained>

/** Without other replicas: iSales is asked. */
export const obtainDirectly: Obtain = async (_, ask) => ({
  type: 'request-ended',
  outcome: await ask(),
})
