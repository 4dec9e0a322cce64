import { createServer, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import type { EndedRequest } from '../../src/outcomes.ts'
import { classify, type Exchange } from '../../src/upstream/exchange.ts'
import { ConnectError } from '../../src/upstream/connector.ts'
import { createForward } from '../../src/proxy/forward.ts'
import type { Token } from '../../src/token/token.ts'
import type { Unavailable } from '../../src/token/source.ts'
import { configOf } from '../support/config.ts'
import { manualClock } from '../support/manual-clock.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { cause } from '../../src/causes.ts'

/** One exchange, of which the test says what undici would. */
export class ScriptedExchange {
  aborted = false
  /** undici was told to pause, and not to resume since. */
  paused = false
  readonly exchange: Exchange

  constructor(exchange: Exchange) {
    this.exchange = exchange
  }

  start(): void {
    this.exchange.onConnect((reason) => {
      this.aborted = true
      this.exchange.onError(reason)
    })
  }

  head(status: number, ...fields: string[]): void {
    const rawHeaders = fields.map((field) => Buffer.from(field))
    this.paused = !this.exchange.onHeaders(status, rawHeaders, () => (this.paused = false), '')
  }

  data(text: string): void {
    this.paused = !this.exchange.onData(Buffer.from(text))
  }

  end(): void {
    this.exchange.onComplete()
  }

  /** Before `start` no connection came. */
  fail(): void {
    const error = this.exchange.written
      ? new Error('cut')
      : new ConnectError(cause('no-route'), 'X')
    this.exchange.onError(error)
  }
}

export function token(generation: number): Token {
  const text = new Secret(`token-${generation}`)
  const instants = {
    obtainedAt: 0,
    lifetime: 1,
    lifetimeGiven: 1,
    expiresAt: 1,
    usableUntil: 1,
    adopted: false,
  }
  return { generation, headerValue: text, token: text, ...instants }
}

const UNAVAILABLE = { unavailable: 'no-token', retryAfter: 1000 } as const satisfies Unavailable

/**
 * The forwarding alone, on a real client connection, between a scripted pool and a scripted token source.
 *
 * @param newer a newer token is there when one is waited for; else none comes before the wait is aborted.
 */
export async function scene({ newer = true } = {}) {
  const clock = manualClock()
  const exchanges: ScriptedExchange[] = []
  const ends: EndedRequest[] = []
  const replays: string[] = []
  /** Generations of tokens. */
  const accepted: number[] = []
  const errors: unknown[] = []
  const responses: ServerResponse[] = []
  const state = { current: token(1) as Token | undefined, newer, inFlight: false, broken: false }
  const forward = createForward({
    tokens: {
      current: () => state.current,
      waitForToken: async ({ signal, deadline }) => {
        if (state.current !== undefined) return state.current
        if (state.newer) return (state.current = token(2))
        await new Promise((resolve) => {
          clock.setTimer(() => resolve(undefined), deadline - clock.now())
          signal?.addEventListener('abort', resolve)
        })
        return UNAVAILABLE
      },
      accept: ({ generation }) => void accepted.push(generation),
      async reject({ generation }, { signal }) {
        if (state.newer) {
          state.current = token(generation + 1)
          const rejected = { generation, overtaken: false }
          return { type: 'replay', token: state.current, rejected }
        }
        if (state.inFlight) return { type: 'no-token', retryAfter: 1000 }
        if (signal !== undefined) await once(signal, 'abort')
        return { type: 'relay', why: 'no-newer-token' }
      },
    },
    upstream: {
      dispatch(exchange) {
        if (state.broken) throw new Error('a defect')
        exchanges.push(new ScriptedExchange(exchange))
      },
      classify: (error) => classify(error, false),
    },
    config: configOf({
      ISALES_URL: 'https://isales.example',
      ISALES_USER: 'u',
      ISALES_PASSWORD: 'p',
    }),
    rules: { pseudonym: 'us', scheme: 'http' },
    clock,
    begin: () => true,
    onEnd(end) {
      ends.push(end)
      if (end.replay !== undefined) replays.push(end.replay)
    },
    onError: (error) => errors.push(error),
  })
  const server = createServer((request, response) => {
    responses.push(response)
    const length = Number(request.headers['content-length'] ?? 0)
    const validated = {
      framing: request.headers['transfer-encoding'] === undefined ? length : ('chunked' as const),
      target: request.url ?? '',
      path: request.url ?? '',
      local: false,
      authority: undefined,
      requestId: undefined,
      expectsContinue: false,
    }
    const connection = { begin: () => undefined }
    forward({ request, response, connection, validated, requestId: 'id-1' })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = await connectRaw({ port: (server.address() as AddressInfo).port })
  onTestFinished(() => void server.close())
  /** The n-th exchange, once it is there. */
  const exchange = (n: number): Promise<ScriptedExchange> => until(() => exchanges[n - 1])
  return { clock, state, client, exchanges, exchange, ends, replays, accepted, errors, responses }
}
