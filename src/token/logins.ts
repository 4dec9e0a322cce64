import type { Ask } from './client.ts'
import type { AskedEnd } from './events.ts'
import type { Grant, Operation } from './protocol.ts'

/**
 * Who needs a login. Each ask takes the next number: the start, a changed secret, an operator. A login in flight that
 * began with the secret that is asked for counts as the one that was asked for.
 *
 * @example an operator corrects the password, and asks for a login
 *   start:            needed 1, and login 1 is refused: tried 1
 *   secret changed:   needed 2; login 2 begins
 *   operator asks:    needed 3, asked 3; login 2 has the present secret, so it is login 3 now
 *   it is granted:    granted 3, tried 3; the operator has a result, and no other login is due
 *   or it is refused: tried 3; the operator has a result, and login 3 stays due after a pause
 */
export const FIRST_LOGIN = {
  needed: 1,
  /** The latest login that was granted. Below `needed`, a login is due whatever the token is like. */
  granted: 0,
  /** The latest login that iSales was asked for, and whose end is known. */
  tried: 0,
  /** What an operator last asked for. Above `tried`, a login ends a pause. */
  asked: { number: 0, guarded: false, end: undefined } as AskedLogin,
  /** When a login that an operator asked for last began. */
  askedAt: -Infinity,
}
export type Logins = Readonly<typeof FIRST_LOGIN>

/** A login that an operator asked for. */
export interface AskedLogin {
  /** 0: none. */
  readonly number: number
  /** The account was guarded when it was asked for. */
  readonly guarded: boolean
  /** How it ended; undefined: it has not. */
  readonly end: AskedEnd | undefined
}

export interface TokenRequest {
  readonly operation: Operation
  readonly startedAt: number
  /** The login that was needed when it began. It is outdated when another one is needed since. */
  readonly number: number
  /** An operator asked for it before it began. */
  readonly asked: boolean
}

/** Milliseconds between two logins that operators ask for, and between two that end a pause. */
export const ASKED_APART = 3000
const PAUSES_ENDED_APART = 60_000

/** True when a login is due, whatever the token is like. */
export function isLoginDue({ needed, granted }: Logins): boolean {
  return needed > granted
}

/** True when an operator asked for a login, and iSales has not been asked for it yet. */
export function isAsked({ asked, tried }: Logins): boolean {
  return asked.number > tried
}

/** Why a newer token is wanted. */
export function whyOf(logins: Logins): Ask['why'] {
  if (isAsked(logins)) return 'operator'
  return isLoginDue(logins) ? 'credentials' : 'renewal'
}

/** When a login may begin that an operator asks for now. It ends a pause once a minute at most. */
export function askedFrom({ askedAt }: Logins, notBefore: number, now: number): number {
  return notBefore > now
    ? Math.min(notBefore, Math.max(now, askedAt + PAUSES_ENDED_APART))
    : Math.max(now, askedAt + ASKED_APART)
}

/** True when this request, which has ended, is the login that an operator asked for. */
export function answersAsk(logins: Logins, { operation, number }: TokenRequest): boolean {
  return isAsked(logins) && operation === 'login' && number >= logins.asked.number
}

/** The token of another replica is as good as a login of ours, unless an operator wants to know whether one works. */
export function afterAdoption(logins: Logins, { foreign }: Grant): Pick<Logins, 'granted'> {
  const { needed, granted, tried } = logins
  // With other credentials than ours: then ours are tried once.
  const isUntried = foreign === true && tried < needed
  return { granted: isAsked(logins) || isUntried ? granted : needed }
}
