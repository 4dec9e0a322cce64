import type { Socket } from 'node:net'
import type { ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Fault, ResetPoint } from './faults.ts'
import { parseObject, send, type Reply } from './wire.ts'

/** Answers that are held back, until somebody lets them go. */
export interface Delivery {
  hold(response: ServerResponse, reply: Reply): void
  /** Sends everything held back; answers how many. */
  release(): number
  readonly held: number
}

export function createDelivery(): Delivery {
  const waiting = new Map<ServerResponse, Reply>()
  return {
    hold(response, reply) {
      waiting.set(response, reply)
      response.once('close', () => waiting.delete(response))
    },
    release() {
      const answers = [...waiting]
      waiting.clear()
      for (const [response, reply] of answers) send(response, reply)
      return answers.length
    },
    get held() {
      return waiting.size
    },
  }
}

const OVER_64_KIB = 70_000

/** The answer as the fault leaves it. */
export function spoil(reply: Reply, fault: Fault | undefined): Reply {
  switch (fault?.kind) {
    case 'answer':
      return { ...fault, body: Buffer.from(fault.body) }
    case 'truncated':
      return { ...reply, body: reply.body.subarray(0, Math.floor(reply.body.length / 2)) }
    case 'huge':
      return changeJson(reply, (json) => ({ ...json, padding: 'x'.repeat(OVER_64_KIB) }))
    case 'bad-token':
      return changeJson(reply, (json) => ({
        ...json,
        resultData: { ...Object(json['resultData']), token: fault.token },
      }))
    case 'hang':
    case 'reset':
    case 'slow':
    case undefined:
      break
  }
  return reply
}

export async function deliver(
  response: ServerResponse,
  reply: Reply,
  { fault, delivery }: { readonly fault: Fault | undefined; readonly delivery: Delivery },
): Promise<void> {
  if (fault?.kind === 'hang') delivery.hold(response, reply)
  else if (fault?.kind === 'reset') await cut(response, reply, fault.at)
  else send(response, reply)
}

/** Loses the connection at the point that was asked for. */
async function cut(response: ServerResponse, reply: Reply, at: ResetPoint): Promise<void> {
  if (at === 'before-head') {
    abort(response.socket)
    return
  }
  // One byte more than comes, so that the client knows that the answer is cut.
  const length = String(reply.body.length + 1)
  response.writeHead(reply.status, { ...reply.headers, 'content-length': length })
  const half = reply.body.subarray(0, Math.ceil(reply.body.length / 2))
  await new Promise<void>((resolve) => {
    if (at === 'mid-body') response.write(half, () => resolve())
    else {
      response.flushHeaders()
      response.socket?.write('', () => resolve())
    }
  })
  response.socket?.destroy()
}

/** With a RST where the socket can. */
function abort(socket: Socket | null): void {
  if (socket === null || socket instanceof TLSSocket) socket?.destroy()
  else socket.resetAndDestroy()
}

function changeJson(
  reply: Reply,
  change: (json: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>,
): Reply {
  const json = parseObject(reply.body.toString()) ?? {}
  return { ...reply, body: Buffer.from(JSON.stringify(change(json))) }
}
