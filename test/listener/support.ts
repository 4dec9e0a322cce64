import type { IncomingMessage, ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'
import type { ProblemCode, Refusal } from '../../src/http/problem.ts'
import { createListener } from '../../src/listener/listener.ts'
import { connectRaw, type RawClient, type RawResponse } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import type { Listener, ListenerLimits, ListenerOptions } from '../../src/listener/listener.ts'

export const LIMITS: ListenerLimits = {
  headerTimeout: 5000,
  bodyIdleTimeout: 5000,
  maxConnections: 100,
}

export interface RunningListener {
  readonly listener: Listener
  readonly port: number
  readonly text: string
  readonly problems: ProblemCode[]
  /** The reason and the request id of each of `problems`. */
  readonly refusals: {
    readonly reason: Refusal | undefined
    readonly requestId: string | undefined
  }[]
}

/** On a free port of loopback unless told otherwise; stopped after the test. */
export async function startListener(
  onRequest: ListenerOptions['onRequest'],
  options: Partial<ListenerOptions> = {},
): Promise<RunningListener> {
  const problems: ProblemCode[] = []
  const refusals: RunningListener['refusals'] = []
  const listener = createListener({
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    limits: LIMITS,
    onRequest,
    onProblem: ({ code, refusal, requestId }) => {
      problems.push(code)
      refusals.push({ reason: refusal, requestId })
    },
    ...options,
  })
  const { port, text } = await listener.start()
  onTestFinished(() => listener.stop(0))
  return { listener, port, text, problems, refusals }
}

export function respondOk(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, ['Content-Length', '2'])
  response.end('ok')
}

/** Accepts the request, as one with a ticket. */
export const keepAndAnswer: ListenerOptions['onRequest'] = (request, response, connection) => {
  connection.keep()
  respondOk(request, response)
}

export const POST = 'POST /p HTTP/1.1\r\nHost: x\r\n'
export const GET = 'GET /g HTTP/1.1\r\nHost: x\r\n\r\n'

/** Every response up to the end of the connection; bytes that are no response are a fault. */
export async function responsesOf(client: RawClient): Promise<RawResponse[]> {
  await client.closed()
  const responses: RawResponse[] = []
  while (client.left().length > 0) responses.push(await client.read())
  return responses
}

/** What came until the connection ended, when it was not a response. */
export async function leftOf(client: RawClient): Promise<string> {
  return (await client.closed()).left.toString('latin1')
}

/** Three requests and then `more`, none of them responded to, and a client that leaves: the responses, and those that were closed. */
export async function leaveThree(more = '') {
  const closed: ServerResponse[] = []
  const held: ServerResponse[] = []
  const { port, listener } = await startListener((_request, response) => {
    held.push(response)
    response.on('close', () => closed.push(response))
  })
  const client = await connectRaw({ port })
  await client.send(`${GET}${GET}${GET}${more}`)
  await until(() => held.length === 3)
  held[2]?.end('handed over before its turn')
  client.reset()
  await until(() => listener.connections() === 0 && closed.length >= 3)
  // One that came twice would come a turn later.
  await new Promise(setImmediate)
  return { held, closed }
}
