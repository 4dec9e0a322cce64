import { Secret } from '../../src/config/secret.ts'
import type { Credentials, RefreshTokens } from '../../src/token/client.ts'
import type { TokenEvent } from '../../src/token/events.ts'
import type { Rules } from '../../src/token/state.ts'
import type { AuthFailure, Grant, Operation } from '../../src/token/protocol.ts'
import { createRefusalBook, type RefusalBook } from '../../src/token/refusals.ts'
import {
  createTokenSource,
  type TokenSource,
  type TokenSourceOptions,
  type Unavailable,
  type Wait,
} from '../../src/token/source.ts'
import type { Token } from '../../src/token/token.ts'
import { manualClock, type ManualClock } from '../support/manual-clock.ts'
import { RULES, START } from './support.ts'

/** A token request in flight; the test ends it. */
export interface Asked {
  readonly operation: Operation
  readonly at: number
  readonly tokens: RefreshTokens | undefined
  readonly signal: AbortSignal
  readonly respond: (outcome: Grant | AuthFailure) => Promise<void>
}

export interface OpenSource {
  readonly source: TokenSource
  readonly clock: ManualClock
  readonly events: readonly TokenEvent[]
  /** All token requests, the first first. */
  readonly asked: readonly Asked[]
  readonly last: () => Asked
  /** Waits as a request does: 2.5 s, for any token. */
  readonly wait: (wait?: Partial<Wait>) => Promise<Token | Unavailable>
  /** A call that was sent now and rejected. */
  readonly reject: (token: Token, path?: string) => 'wait' | 'relay'
  /** A call that was sent now and not rejected. */
  readonly accept: (token: Token, path?: string) => void
}

type Changes = Partial<Omit<TokenSourceOptions, 'rules'>> & { readonly rules?: Partial<Rules> }

/** A source whose token requests the test ends and whose time the test moves. */
export function openSource(changes: Changes = {}): OpenSource {
  const clock = manualClock(START)
  const events: TokenEvent[] = []
  const asked: Asked[] = []
  const ask = (operation: Operation, signal: AbortSignal, tokens?: RefreshTokens) =>
    new Promise<Grant | AuthFailure>((resolve) => {
      const respond = async (outcome: Grant | AuthFailure): Promise<void> => {
        resolve(outcome)
        await clock.advance(0)
      }
      asked.push({ operation, at: clock.now(), tokens, signal, respond })
    })
  const { rules, ...rest } = changes
  const source = createTokenSource({
    rules: { ...RULES, ...rules },
    waiters: 1000,
    clock,
    random: () => 0.5,
    client: {
      login: (_, signal) => ask('login', signal),
      refresh: (tokens, signal) => ask('refresh', signal, tokens),
    },
    credentials: credentialsOf('wrong'),
    refusals: memoryBook(clock),
    observe: (event) => events.push(event),
    ...rest,
  })
  return {
    source,
    clock,
    events,
    asked,
    last() {
      const request = asked.at(-1)
      if (request === undefined) throw new Error('no token request has begun')
      return request
    },
    wait: (wait) => source.waitForToken({ after: 0, deadline: clock.now() + 2500, ...wait }),
    reject: (token, path = '/tasks') =>
      source.reject(token, 401, { path, sentAt: clock.now(), again: false }),
    accept: (token, path = '/tasks') => source.accept(token, path, clock.now()),
  }
}

export function credentialsOf(password: string): Credentials {
  return { user: 'obs', password: new Secret(password) }
}

export function memoryBook(clock: ManualClock): RefusalBook {
  return createRefusalBook({
    directory: undefined,
    wallClock: () => clock.now(),
    onUnusable: () => undefined,
  })
}

/** A source that has logged in once. */
export async function openFresh(
  first: Grant,
  changes: Changes = {},
): Promise<OpenSource & { readonly token: Token }> {
  const opened = openSource(changes)
  opened.source.start()
  await opened.last().respond(first)
  const token = opened.source.current()
  if (token === undefined) throw new Error('the first login gave nothing')
  return { ...opened, token }
}

export function headerValue(token: Token | undefined): string | undefined {
  return token?.headerValue.reveal()
}
