import type { IncomingMessage, ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Refusal } from '../../src/codes.ts'
import { createListener } from '../../src/listener/listener.ts'
import type { ListenerLimits, ListenerOptions } from '../../src/listener/listener.ts'
import { connectRaw } from '../support/raw-client.ts'
import type { RawClient, RawResponse, RawTarget } from '../support/raw-client.ts'

const TIMES = { headerTimeout: 5000, idleTimeout: 5000, keepAlive: 65_000 }
const LIMITS: ListenerLimits = { ...TIMES, listenMaxConnections: 100 }

/** Starts a listener, which is stopped after the test. Default: on a free port of loopback. */
export async function startListener(
  onRequest: ListenerOptions['onRequest'],
  options: Partial<Omit<ListenerOptions, 'limits'>> & {
    readonly limits?: Partial<ListenerLimits>
  } = {},
) {
  /** Requests that the listener refused, and their request ids. */
  const refused: Refusal[] = []
  const requestIds: (string | undefined)[] = []
  const listener = createListener({
    setting: 'LISTEN',
    clock: systemClock,
    address: { host: '127.0.0.1', port: 0 },
    onRequest,
    onRefused({ refusal, requestId }) {
      if (refusal !== undefined) refused.push(refusal)
      requestIds.push(requestId === '' ? undefined : requestId)
    },
    ...options,
    limits: { ...LIMITS, ...options.limits },
  })
  const text = await listener.start()
  onTestFinished(() => listener.stop(0))
  const port = Number(/\d+$/.exec(text)?.[0] ?? 0)
  return { listener, port, refused, requestIds }
}

export async function startHolding(
  options: Parameters<typeof startListener>[1] = {},
  from: RawTarget = {},
) {
  const held: ServerResponse[] = []
  const running = await startListener((_request, response, connection) => {
    connection.bodyArrived()
    held.push(response)
  }, options)
  return { ...running, held, client: await connectRaw({ port: running.port, ...from }) }
}

export function respondOk(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, ['Content-Length', '2'])
  response.end('ok')
}

export const POST = 'POST /p HTTP/1.1\r\nHost: x\r\n'
export const GET = 'GET /g HTTP/1.1\r\nHost: x\r\n\r\n'

export async function hold(count: number, port: number, bytes = '') {
  const held: RawClient[] = []
  for (let n = 0; n < count; n += 1) {
    const client = await connectRaw({ port })
    await client.send(bytes)
    held.push(client)
  }
  return held
}

/** Reads every response until the connection ends; other bytes are an error. */
export async function responsesOf(client: RawClient): Promise<RawResponse[]> {
  await client.closed()
  const responses: RawResponse[] = []
  while (client.left().length > 0) responses.push(await client.read())
  return responses
}

export async function outcomesOf(client: RawClient) {
  const responses = await responsesOf(client)
  return responses.map((response) => [response.status, response.header('connection')])
}
