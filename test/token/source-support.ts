import { withBook } from '../../src/token/book.ts'
import { openBook } from '../../src/token/book-file.ts'
import type { Sending } from '../../src/token/protocol.ts'
import type { TokenEvent } from '../../src/token/token.ts'
import type { Rules } from '../../src/token/lifecycle.ts'
import { isGrant, type AuthFailure, type Grant } from '../../src/token/protocol.ts'
import { createTokenSource, type RejectedCall, type Wait } from '../../src/token/source.ts'
import type { Token } from '../../src/token/token.ts'
import type { Clock } from '../../src/clock.ts'
import { manualClock } from '../support/manual-clock.ts'
import { ATTEMPTS, credentialsOf, RULES, START } from './support.ts'

/** A token request in flight; the test ends it. */
interface Asked {
  readonly signal: AbortSignal
  readonly forced: boolean
  readonly respond: (outcome: Grant | AuthFailure) => Promise<void>
}

/** A source whose token requests the test ends and whose time the test moves. */
export function openSource(rules: Partial<Rules> = {}, learnsWithin = 0) {
  const clock = manualClock(START)
  const events: TokenEvent[] = []
  const asked: Asked[] = []
  let forced = false
  const request = ({ signal, onSent }: Sending) =>
    new Promise<Grant | AuthFailure>((resolve) => {
      onSent?.()
      const sentAt = clock.now()
      const respond = async (outcome: Grant | AuthFailure): Promise<void> => {
        resolve(isGrant(outcome) ? { ...outcome, sentAt } : outcome)
        await clock.advance(0)
      }
      asked.push({ signal, forced, respond })
    })
  const client = withBook({
    client: {
      login: (_, sending) => request(sending),
      refresh: (_, sending) => request(sending),
    },
    book: memoryBook(clock),
    rules: ATTEMPTS,
    clock,
    random: () => 0.5,
  })
  const source = createTokenSource({
    rules: { ...RULES, ...rules },
    clock,
    random: () => 0.5,
    client(ask) {
      ;({ forced = false } = ask)
      return client(ask)
    },
    credentials: credentialsOf('wrong'),
    learnsWithin,
    observe: (event) => events.push(event),
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
        deadline: clock.now() + 2500,
        ...call,
      }),
    /** A call that was sent now and accepted. */
    accept: (token: Token) => source.accept(token, clock.now()),
  }
}

/** The book of one process without a `STATE_DIR`. */
export function memoryBook(clock: Clock) {
  const nothing = { onTrouble() {}, onExposed() {} }
  return openBook({ directory: undefined, clock, wallClock: () => clock.now(), ...nothing })
}

/** A source that has logged in once. */
export async function openFresh(first: Grant, rules: Partial<Rules> = {}, learnsWithin = 0) {
  const opened = openSource(rules, learnsWithin)
  opened.source.start()
  await opened.clock.advance(0)
  await opened.last().respond(first)
  const token = opened.source.current()
  if (token === undefined) throw new Error('the first login gave nothing')
  return { ...opened, token }
}
