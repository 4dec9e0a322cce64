import type { StoreFailureReason } from '../token/sharing.ts'
import type {
  Claim,
  ClaimReply,
  Extend,
  Failed,
  FailedReply,
  Granted,
  GrantedReply,
  HoldOff,
  ReadReply,
} from './store-rules.ts'

export interface StoreFailure {
  readonly type: 'failure'
  readonly reason: StoreFailureReason
}

type Asked<Operation> = Omit<Operation, 'type'>

/** The store of one account. Nothing rejects; everything ends within `SESSION_STORE_TIMEOUT`. */
export interface SessionStore {
  claim(asked: Asked<Claim>): Promise<ClaimReply | StoreFailure>
  extend(asked: Asked<Extend>): Promise<boolean | StoreFailure>
  granted(asked: Asked<Granted>): Promise<GrantedReply | StoreFailure>
  failed(asked: Asked<Failed>): Promise<FailedReply | StoreFailure>
  holdOff(asked: Asked<HoldOff>): Promise<boolean | StoreFailure>
  read(): Promise<ReadReply | StoreFailure>
  /** Asks the other replicas to look again. Best effort. */
  publish(): Promise<void>
  /** Replicas that listen, this one included. */
  replicas(): Promise<number | StoreFailure>
  /** Connects, and calls `look` after each connection and each time another replica publishes. */
  start(look: () => void): void
  /** Resolves when connected, or after `ms`. */
  connected(ms: number): Promise<void>
  stop(): void
}

export function isFailure(reply: unknown): reply is StoreFailure {
  return typeof reply === 'object' && reply !== null && 'type' in reply && reply.type === 'failure'
}
