import type { AuthFailure, Grant, Operation } from '../../src/token/protocol.ts'
import type { TokenEvent } from '../../src/token/events.ts'
import {
  createTokenSource,
  type TokenSourceOptions,
  type RefreshTokens,
  type TokenSource,
} from '../../src/token/source.ts'
import type { Token } from '../../src/token/token.ts'
import type { RenewalRules } from '../../src/token/state.ts'
import type { Unavailable, Wish } from '../../src/token/waiters.ts'
import { manualClock, type ManualClock } from '../support/manual-clock.ts'
import { RULES, START } from './support.ts'

/** An exchange under way, which the test answers. */
export interface Asked {
  readonly operation: Operation
  readonly at: number
  readonly tokens: RefreshTokens | undefined
  readonly signal: AbortSignal
  readonly answer: (outcome: Grant | AuthFailure) => Promise<void>
}

export interface Kept {
  readonly keeper: TokenSource
  readonly clock: ManualClock
  readonly events: readonly TokenEvent[]
  /** All exchanges, the first first. */
  readonly asked: readonly Asked[]
  /** The newest exchange. */
  readonly last: () => Asked
  /** Waits as a request does: 2.5 s, for any token. */
  readonly wait: (wish?: Partial<Wish>) => Promise<Token | Unavailable>
}

/** A keeper whose exchanges the test answers and whose time the test moves. */
export function keep(
  changes: Partial<Omit<TokenSourceOptions, 'rules'>> & {
    readonly rules?: Partial<RenewalRules>
  } = {},
): Kept {
  const clock = manualClock(START)
  const events: TokenEvent[] = []
  const asked: Asked[] = []
  const ask = (operation: Operation, signal: AbortSignal, tokens?: RefreshTokens) =>
    new Promise<Grant | AuthFailure>((resolve) => {
      const answer = async (outcome: Grant | AuthFailure): Promise<void> => {
        resolve(outcome)
        await clock.advance(0)
      }
      asked.push({ operation, at: clock.now(), tokens, signal, answer })
    })
  const { rules, ...rest } = changes
  const keeper = createTokenSource({
    rules: { ...RULES, ...rules },
    waiters: 1000,
    clock,
    random: () => 0.5,
    login: (signal) => ask('login', signal),
    refresh: (tokens, signal) => ask('refresh', signal, tokens),
    observe: (event) => events.push(event),
    ...rest,
  })
  return {
    keeper,
    clock,
    events,
    asked,
    last() {
      const exchange = asked.at(-1)
      if (exchange === undefined) throw new Error('no exchange has begun')
      return exchange
    },
    wait: (wish) => keeper.newer({ after: 0, deadline: clock.now() + 2500, ...wish }),
  }
}

/** A keeper that has logged in once. */
export async function keepFresh(
  first: Grant,
  changes: Parameters<typeof keep>[0] = {},
): Promise<Kept & { readonly session: Token }> {
  const kept = keep(changes)
  kept.keeper.start()
  await kept.last().answer(first)
  const session = kept.keeper.current()
  if (session === undefined) throw new Error('the first login gave nothing')
  return { ...kept, session }
}

export function headerValue(session: Token | undefined): string | undefined {
  return session?.headerValue.reveal()
}
