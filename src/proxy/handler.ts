import { METHODS, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Client } from '../http/client.ts'
import { writeProblem } from './response.ts'
import type { Forward } from './forward.ts'
import { judgeRequest, pathOf, type Admitted, type Framing, type IntakeRules } from './validate.ts'
import type { ProblemCode } from '../http/problem.ts'

/** Asks for the client's ticket, where one is demanded. */
export interface Gate {
  passes(rawHeaders: readonly string[]): boolean
  refuse(response: ServerResponse, requestId: string, framing: Framing): void
}

/** A request that was answered without being forwarded. */
export interface Turned {
  readonly method: string
  readonly target: string
  readonly code: ProblemCode
  readonly requestId: string
}

export interface FrontOptions {
  readonly intake: IntakeRules
  /** Paths that are answered here, such as login and refresh, in whatever spelling. */
  readonly isLocal: (path: string) => boolean
  readonly serveLocal: (request: IncomingMessage, response: ServerResponse, target: string) => void
  readonly gate: Gate | undefined
  readonly forward: Forward
  readonly inFlight: () => number
  readonly maxInFlight: number
  readonly newRequestId: () => string
  readonly onTurned: (turned: Turned) => void
}

export type Front = (request: IncomingMessage, response: ServerResponse, client: Client) => void

/** What Node's parser knows and the intake lets in. */
const ALLOW = METHODS.filter((method) => method !== 'CONNECT' && method !== 'TRACE').join(', ')

/** Where every request enters: refused early, answered here, or forwarded. */
export function createFront(options: FrontOptions): Front {
  const { intake, isLocal, gate, maxInFlight } = options

  const turned = (request: IncomingMessage, code: ProblemCode, requestId: string): void => {
    options.onTurned({ method: request.method ?? '', target: request.url ?? '', code, requestId })
  }
  const refuse = (
    request: IncomingMessage,
    response: ServerResponse,
    code: ProblemCode,
    requestId: string,
  ): void => {
    // Whatever follows on this connection may be the rest of what was refused.
    response.shouldKeepAlive = false
    writeProblem({ request, response, requestId }, code)
    turned(request, code, requestId)
  }

  return (request, response, client) => {
    const admitted = judgeRequest(
      {
        method: request.method ?? '',
        target: request.url ?? '',
        httpVersion: request.httpVersion,
        rawHeaders: request.rawHeaders,
      },
      intake,
    )
    if ('refused' in admitted) {
      refuse(request, response, admitted.refused, options.newRequestId())
      return
    }
    const requestId = admitted.requestId ?? options.newRequestId()
    if (answersOptions(admitted)) {
      response.writeHead(204, ['Allow', ALLOW, 'X-Request-Id', requestId]).end()
    } else if (isLocal(pathOf(admitted.target))) {
      if (admitted.expectsContinue) response.writeContinue()
      options.serveLocal(request, response, admitted.target)
    } else if (gate?.passes(request.rawHeaders) === false) {
      gate.refuse(response, requestId, admitted.framing)
      turned(request, 'not-logged-in', requestId)
    } else if (options.inFlight() >= maxInFlight) {
      refuse(request, response, 'overloaded', requestId)
    } else {
      options.forward({ request, response, client, admitted, requestId })
    }
  }
}

/** RFC 9110 section 7.6.2: at 0 we are the last recipient; `OPTIONS *` asks about this server itself. */
function answersOptions(admitted: Admitted): boolean {
  return admitted.maxForwards === 0 || admitted.target === '*'
}
