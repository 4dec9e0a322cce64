import { Secret } from '../../src/config/secret.ts'
import {
  backoffOf,
  begun,
  countOf,
  failed,
  granted,
  NO_ENTRY,
  notBefore,
  pauseAfter,
  type Entry,
} from '../../src/token/book.ts'
import type { Credentials } from '../../src/token/protocol.ts'
import type { Ask, Outcome } from '../../src/token/token.ts'
import type { TokenEvent } from '../../src/token/token.ts'
import {
  credentialsChanged,
  ended,
  initialState,
  next,
  plan,
  started,
  type Rules,
  type State,
  type Step,
} from '../../src/token/lifecycle.ts'
import {
  isGrant,
  isMissing,
  type AuthFailure,
  type Grant,
  type Operation,
} from '../../src/token/protocol.ts'
import { authFailure } from '../support/failure.ts'

/** The defaults of the settings. */
export const RULES: Rules = {
  isalesTokenHeader: { names: ['Authorization'], scheme: 'Bearer', field: 'token' },
  isalesRefreshPath: '/auth/refresh',
  tokenIdleAfter: undefined,
}

export const ATTEMPTS = { loginRejectedAttempts: 3 }

export const START = 1_000_000

export interface GrantOptions {
  readonly token?: string
  /** When it was requested. Default: the start. */
  readonly sentAt?: number
  /** Seconds; undefined: assumed 300. */
  readonly lives?: number | undefined
  /** Null: none. */
  readonly refreshToken?: string | null
  /** Seconds; undefined: not known. */
  readonly refreshLives?: number | undefined
}

export function grant(options: GrantOptions = {}): Grant {
  const { token = 't1', refreshToken = 'r1' } = options
  const lives = 'lives' in options ? options.lives : 300
  const refreshLives = 'refreshLives' in options ? options.refreshLives : 3600
  return {
    token: new Secret(token),
    sentAt: options.sentAt ?? START,
    lifetime: lives === undefined ? { ms: 300_000, doubt: 'missing' } : { ms: lives * 1000 },
    refreshToken: refreshToken === null ? undefined : new Secret(refreshToken),
    refreshLifetime: refreshLives === undefined ? undefined : refreshLives * 1000,
  }
}

export const REFUSED = authFailure('refused', 'password', { status: 403 })
export const DOWN = authFailure('untouched', 'connection-refused', { detail: 'ECONNREFUSED' })

/** A response that says nothing about the credentials, such as a page of a gateway. */
export function unclear(status: number): AuthFailure {
  return authFailure('unclear', 'not-isales', { status })
}

export function throttled(retryAfter: number): AuthFailure {
  return authFailure('untouched', 'throttled', { status: 429, retryAfter })
}

export function credentialsOf(password: string): Credentials {
  return { user: 'obs', password: new Secret(password) }
}

/** A login before which nothing is known. */
export function loginOf(credentials: Credentials): Ask {
  const { signal } = new AbortController()
  return { operation: 'login', credentials, signal, loginDue: true, failures: 0 }
}

/** Drives the pure rules by hand: time stands still unless `after` moves it. */
export class Life {
  state: State = initialState(credentialsOf('wrong'), START)
  now = START
  /** What the last step gave to log and metrics. */
  event: TokenEvent | undefined
  /** What the book knows of the credentials. */
  #entry: Entry = NO_ENTRY
  readonly #rules: Rules
  readonly #random: number

  constructor(rules: Rules, random: number) {
    this.#rules = rules
    this.#random = random
  }

  /** Milliseconds from now until the next token request may begin. */
  wait = () => Math.max(0, plan(this.state, this.#rules, this.now).at - this.now)
  next = () => next(this.state, this.#rules, this.now)
  begins = (operation: Operation) => this.does(started, operation)
  /** The token request in flight ends; a grant is of when it was sent. */
  ends = (outcome: Grant | AuthFailure) => this.does(ended, this.#booked(outcome))
  /** A login, as soon as it is allowed, with its outcome. */
  login = (outcome: Grant | AuthFailure) => this.after(this.wait()).begins('login').ends(outcome)
  refresh = (outcome: Grant | AuthFailure) =>
    this.after(this.wait()).begins('refresh').ends(outcome)

  after(ms: number): this {
    this.now += ms
    return this
  }

  does<Happening>(step: Step<Happening>, happening: Happening): this {
    if ((step as unknown) === credentialsChanged) this.#entry = NO_ENTRY
    const given = { rules: this.#rules, now: this.now, random: this.#random }
    const { state, event } = step(this.state, happening, given)
    this.state = state
    this.event = event
    return this
  }

  #booked(outcome: Grant | AuthFailure): Outcome {
    const { request, failuresInRow: failures } = this.state
    if (isGrant(outcome)) {
      this.#entry = granted(this.now)
      return { ...outcome, sentAt: request?.startedAt ?? this.now }
    }
    const { kind } = outcome
    const isRefresh = request?.operation === 'refresh'
    if (isRefresh && (kind === 'refused' || kind === 'ambiguous' || isMissing(outcome)))
      return { failure: outcome, pause: 0, counted: false, backoff: NO_BACKOFF }
    const { now } = this
    const before = isRefresh ? granted(now) : this.#entry
    const counted = countOf(outcome, before, now) !== undefined
    const entry = failed(begun(before, now), before, outcome, { weight: 1, now })
    if (!isRefresh) this.#entry = entry
    const pause = counted
      ? notBefore(entry, ATTEMPTS) - now
      : pauseAfter(outcome, failures, this.#random)
    const isShown = counted || entry.refusals > 0
    const backoff = isShown
      ? backoffOf(entry, ATTEMPTS)
      : { ...NO_BACKOFF, state: 'transient' as const }
    return { failure: outcome, pause, counted, backoff }
  }
}

const NO_BACKOFF = { state: 'none', refused: false } as const

/** @param random of each step; by default there is no jitter in a renewal. */
export function live(rules: Partial<Rules> = {}, random = 0.5): Life {
  return new Life({ ...RULES, ...rules }, random)
}

/** The waits after so many failed logins in a row. */
export function waits(life: Life, outcome: AuthFailure, count: number): readonly number[] {
  return Array.from({ length: count }, () => life.login(outcome).wait())
}

/** What is asked for now; undefined: nothing. */
export function due(life: Life): string | undefined {
  const { at, operation } = life.next()
  return at <= life.now ? operation : undefined
}

/** A token that is due for renewal. */
export function aged(): Life {
  return live().login(grant()).after(240_000)
}
