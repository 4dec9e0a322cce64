import { Secret } from '../../src/config/secret.ts'
import {
  memoryHome,
  withAttempts,
  type Credentials,
  type RefreshTokens,
  type Sending,
} from '../../src/token/attempts.ts'
import type { TokenEvent } from '../../src/token/events.ts'
import type { Rules } from '../../src/token/lifecycle.ts'
import { isGrant, type AuthFailure, type Grant, type Operation } from '../../src/token/protocol.ts'
import {
  createTokenSource,
  type RejectedCall,
  type TokenSourceOptions,
  type Wait,
} from '../../src/token/source.ts'
import type { Token } from '../../src/token/token.ts'
import { manualClock } from '../support/manual-clock.ts'
import { RULES, START } from './support.ts'

/** A token request in flight; the test ends it. */
interface Asked {
  readonly operation: Operation
  readonly at: number
  readonly tokens: RefreshTokens | undefined
  readonly signal: AbortSignal
  /** An operator asked for it. */
  readonly forced: boolean
  readonly respond: (outcome: Grant | AuthFailure) => Promise<void>
}

type Changes = Partial<Omit<TokenSourceOptions, 'rules'>> & { readonly rules?: Partial<Rules> }

/** A source whose token requests the test ends and whose time the test moves. */
export function openSource(changes: Changes = {}) {
  const clock = manualClock(START)
  const events: TokenEvent[] = []
  const asked: Asked[] = []
  const request = (operation: Operation, sending: Sending, tokens?: RefreshTokens) =>
    new Promise<Grant | AuthFailure>((resolve) => {
      sending.onSent()
      const sentAt = clock.now()
      const respond = async (outcome: Grant | AuthFailure): Promise<void> => {
        resolve(isGrant(outcome) ? { ...outcome, sentAt } : outcome)
        await clock.advance(0)
      }
      asked.push({ operation, at: sentAt, tokens, signal: sending.signal, forced, respond })
    })
  const { rules, ...rest } = changes
  let forced = false
  const client = withAttempts({
    client: {
      login: (_, sending) => request('login', sending),
      refresh: (tokens, sending) => request('refresh', sending, tokens),
    },
    home: memoryHome(),
    rules: { loginRejectedAttempts: 3 },
    clock,
    random: () => 0.5,
  })
  const source = createTokenSource({
    rules: { ...RULES, ...rules },
    clock,
    random: () => 0.5,
    client(ask) {
      forced = ask.forced
      return client(ask)
    },
    credentials: credentialsOf('wrong'),
    observe: (event) => events.push(event),
    ...rest,
  })
  return {
    source,
    clock,
    events: events as readonly TokenEvent[],
    /** All token requests, the first first. */
    asked: asked as readonly Asked[],
    last: () => {
      const request = asked.at(-1)
      if (request === undefined) throw new Error('no token request has begun')
      return request
    },
    /** Waits as a request does: 2.5 s, for any token. */
    wait: (wait?: Partial<Wait>) => source.waitForToken({ deadline: clock.now() + 2500, ...wait }),
    /** The first attempt of a call that was rejected now. */
    reject: (token: Token, call?: Partial<RejectedCall>) =>
      source.reject(token, {
        status: 401,
        rejected: undefined,
        replays: 0,
        replayable: true,
        deadline: clock.now() + 2500,
        ...call,
      }),
    /** A call that was sent now and accepted. */
    accept: (token: Token) => source.accept(token, clock.now()),
  }
}

export function credentialsOf(password: string): Credentials {
  return { user: 'obs', password: new Secret(password) }
}

/** A source that has logged in once. */
export async function openFresh(first: Grant, changes: Changes = {}) {
  const opened = openSource(changes)
  opened.source.start()
  await opened.clock.advance(0)
  await opened.last().respond(first)
  const token = opened.source.current()
  if (token === undefined) throw new Error('the first login gave nothing')
  return { ...opened, token }
}
