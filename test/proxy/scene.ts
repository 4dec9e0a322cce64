import { createServer, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import type { UpstreamHandler, UpstreamRequest } from '../../src/upstream/pool.ts'
import type { ForwardOptions, RequestEnd } from '../../src/proxy/call.ts'
import { createDeadlines } from '../../src/proxy/deadlines.ts'
import { createForward } from '../../src/proxy/forward.ts'
import type { Token } from '../../src/token/token.ts'
import type { Unavailable } from '../../src/token/source.ts'
import { manualClock } from '../support/manual-clock.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

/** What undici would tell of one attempt, told by the test. */
export class Attempt {
  rawHeaders: readonly Buffer[] = []
  aborted: Error | undefined
  readonly request: UpstreamRequest
  readonly handler: UpstreamHandler
  paused = false

  constructor(request: UpstreamRequest, handler: UpstreamHandler) {
    this.request = request
    this.handler = handler
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  abort(reason: Error): void {
    this.aborted = reason
    this.handler.onResponseError(this, reason)
  }

  start(): void {
    this.handler.onRequestStart(this)
  }

  head(status: number, ...fields: string[]): void {
    this.rawHeaders = fields.map((field) => Buffer.from(field))
    this.handler.onResponseStart(this, status, '')
  }

  data(text: string): void {
    this.handler.onResponseData(this, Buffer.from(text))
  }

  end(): void {
    this.handler.onResponseEnd(this)
  }

  fail(code: string, started = true): void {
    const error = Object.assign(new Error(code), { code })
    this.handler.onResponseError(started ? this : undefined, error)
  }
}

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

export function session(generation: number): Token {
  const token = new Secret(`token-${generation}`)
  const instants = { obtainedAt: 0, lifetime: 1, expiresAt: 1, usableUntil: 1 }
  return { generation, headerValue: token, token, accepted: false, ...instants }
}

interface SceneOptions extends Partial<ForwardOptions> {
  /** What who waits for a newer token gets. Default: at once, the session of the next generation. */
  readonly newer?: Promise<Token | Unavailable>
}

/** The forwarding alone, on a real client connection, between a scripted pool and a scripted keeper. */
export async function scene({ newer, ...changes }: SceneOptions = {}) {
  const clock = manualClock()
  const attempts: Attempt[] = []
  const ends: RequestEnd[] = []
  const replays: string[] = []
  const responses: ServerResponse[] = []
  const state = { current: session(1) as Token | undefined, rejects: true }
  const sender = { endedAt: undefined as number | undefined }
  const forward = createForward({
    tokens: {
      current: () => state.current,
      waitForToken: ({ after }) => newer ?? Promise.resolve((state.current = session(after + 1))),
      accept: () => undefined,
      reject: () => (state.rejects ? 'wait' : 'relay'),
    },
    dispatch: (request, handler) => void attempts.push(new Attempt(request, handler)),
    classify: (error) => ({
      failure: (error as { code?: string }).code === 'down' ? 'unreachable' : 'broken',
    }),
    requestFields: () => [],
    deadlines: createDeadlines(clock, 2800),
    inspector: undefined,
    clock,
    rejectedStatuses: new Set([401]),
    replayBodySize: 100,
    maxBodySize: 1000,
    tokenWait: 2500,
    onEnd: (end) => ends.push(end),
    onReplay: (outcome) => replays.push(outcome),
    ...changes,
  })
  const server = createServer((request, response) => {
    responses.push(response)
    const length = Number(request.headers['content-length'] ?? 0)
    const admitted = {
      framing: request.headers['transfer-encoding'] === undefined ? length : ('chunked' as const),
      target: request.url ?? '',
      authority: undefined,
      requestId: undefined,
      expectsContinue: false,
      maxForwards: -1,
    }
    forward({ request, response, client: sender, admitted, requestId: 'id-1' })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = await connectRaw({ port: (server.address() as AddressInfo).port })
  closing.push(() => {
    client.destroy()
    server.close()
  })
  /** The n-th attempt, once it is there. */
  const attempt = (n: number): Promise<Attempt> => until(() => attempts[n - 1])
  return { clock, state, sender, client, attempts, attempt, ends, replays, responses }
}
