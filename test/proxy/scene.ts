import { createServer, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { cause } from '../../src/codes.ts'
import { delay } from '../../src/clock.ts'
import { Secret } from '../../src/config/secret.ts'
import type { RequestSummary } from '../../src/request-summary.ts'
import { createForward } from '../../src/proxy/forward.ts'
import type { Unavailable } from '../../src/token/token-source.ts'
import type { Token } from '../../src/token/token.ts'
import { ConnectError } from '../../src/upstream/connector.ts'
import { classify, type Exchange } from '../../src/upstream/exchange.ts'
import { configOf } from '../support/config.ts'
import { manualClock } from '../support/manual-clock.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

/** An exchange whose events come from the test instead of undici. */
class ScriptedExchange {
  /** The exchange has paused undici. */
  paused = false
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  start(): void {
    this.#exchange.onConnect((reason) => this.#exchange.onError(reason))
  }

  head(status: number, ...fields: string[]): void {
    const rawHeaders = fields.map((field) => Buffer.from(field))
    this.paused = !this.#exchange.onHeaders(status, rawHeaders, () => (this.paused = false), '')
  }

  data(text: string): void {
    this.paused = !this.#exchange.onData(Buffer.from(text))
  }

  end(): void {
    this.#exchange.onComplete()
  }

  /** Before `start`: without a connection. */
  fail(): void {
    const { written } = this.#exchange
    this.#exchange.onError(written ? new Error('cut') : new ConnectError(cause('no-route'), 'X'))
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

function raise(error: unknown): void {
  throw error
}

/**
 * Forwards calls of a real client connection, with a scripted pool and a scripted token source.
 *
 * @param newer a newer token is available when a call waits for one; otherwise none arrives in time.
 * @param decisions on the first rejections.
 */
export async function scene({
  newer = true,
  decisions = [] as readonly ('replay' | 'not-curable' | 'no-newer-token')[],
  onError = raise,
  env = {},
} = {}) {
  const clock = manualClock()
  const exchanges: ScriptedExchange[] = []
  const ends: RequestSummary[] = []
  const replays: string[] = []
  /** Generations of the accepted tokens. */
  const accepted: number[] = []
  const responses: ServerResponse[] = []
  const next = [...decisions]
  const state = { current: token(1) as Token | undefined }
  const { forward } = createForward({
    tokens: {
      current: () => state.current,
      async waitForToken({ signal, deadline }) {
        if (newer) return (state.current ??= token(2))
        await delay(clock, deadline - clock.now(), signal)
        return UNAVAILABLE
      },
      accept: ({ generation }) => void accepted.push(generation),
      async reject({ generation }, { signal, deadline }) {
        const why = next.shift() ?? 'replay'
        if (why !== 'replay') return { type: 'relay', why }
        if (newer) {
          state.current = token(generation + 1)
          const rejected = { generation, superseded: false }
          return { type: 'replay', token: state.current, rejected }
        }
        await delay(clock, deadline - clock.now(), signal)
        return { type: 'relay', why: 'no-newer-token' }
      },
    },
    upstream: {
      dispatch: (exchange) => void exchanges.push(new ScriptedExchange(exchange)),
      classify: (error) => classify(error, false),
    },
    config: configOf({
      ISALES_URL: 'https://isales.example',
      ISALES_USER: 'u',
      ISALES_PASSWORD: 'p',
      ...env,
    }),
    rules: { pseudonym: 'us', scheme: 'http' },
    clock,
    onEnd(end) {
      ends.push(end)
      if (end.replay !== undefined) replays.push(end.replay)
    },
    onError,
  })
  const server = createServer((request, response) => {
    responses.push(response)
    const { url = '', headers } = request
    const validated = {
      framing: Number(headers['content-length'] ?? 0),
      target: url,
      path: url,
      authority: undefined,
      requestId: undefined,
      expectsContinue: false,
    }
    const connection = { protect: () => undefined, refused: false }
    forward({ request, response, connection, validated, requestId: 'id-1' })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const connect = () => connectRaw({ port: (server.address() as AddressInfo).port })
  const client = await connect()
  onTestFinished(() => void server.close())
  /** Waits for the n-th exchange. */
  const exchange = (n: number): Promise<ScriptedExchange> => until(() => exchanges[n - 1])
  return { clock, state, client, connect, exchanges, exchange, ends, replays, accepted, responses }
}
