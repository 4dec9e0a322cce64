import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PUBLISHED_REFRESH_PATH, refreshPathOf, type Config } from '../config/index.ts'
import type { EndedRequest } from '../outcomes.ts'
import { PROBLEMS, REFUSALS, writeProblem, type Refusal } from '../http/index.ts'
import { createForward, type ForwardOptions } from './forward.ts'
import { remembered } from './remembered.ts'
import { createValidation } from './validate.ts'

export interface ProxyOptions extends Pick<
  ForwardOptions,
  'tokens' | 'dispatch' | 'clock' | 'onError'
> {
  readonly onEnd: (end: EndedRequest) => void
  readonly config: Config
  /** Lower-case `host` names, without port, that are ours. */
  readonly hosts: ReadonlySet<string>
  /** Serves login and refresh. */
  readonly serveLocal: (request: IncomingMessage, response: ServerResponse, target: string) => void
  /** Asks for the client's ticket. Undefined: none is demanded. */
  readonly ticketCheck:
    | {
        /** A business call carries a valid ticket. */
        passes(rawHeaders: readonly string[]): boolean
        /** Responds 401 in the shape that iSales publishes, and closes the connection: it is for those with a ticket. */
        refuse(response: ServerResponse, requestId: string): void
      }
    | undefined
}

/** Where every request of a client enters: refused before it costs anything, served here, or forwarded. */
export function openProxy(options: ProxyOptions) {
  const { config, hosts, ticketCheck, onEnd } = options
  const rules = {
    ...config,
    hosts,
    scheme: config.listenTlsCertFile === undefined ? 'http' : 'https',
    // Received-by of our `Via`. It differs between processes, so that one proxy may be in front of another.
    pseudonym: `isales-auth-proxy-${randomBytes(6).toString('hex')}`,
  } as const
  const validate = createValidation(rules)
  const newRequestId = requestIds()
  const kindOf = remembered(localPaths([config.isalesLoginPath, refreshPathOf(config)]))
  let inFlight = 0
  const forward = createForward({
    ...options,
    rules,
    onEnd(end, begun) {
      if (begun) inFlight -= 1
      onEnd(end)
    },
  })

  const reportRefusal = (request: IncomingMessage, refusal: Refusal, requestId: string): void => {
    const { method = '', url: target = '' } = request
    const code = REFUSALS[refusal]
    const { status } = PROBLEMS[code]
    onEnd({ method, target, status, code, refusal, requestId })
  }

  const refuse = (response: ServerResponse, refusal: Refusal, requestId: string): void => {
    // Whatever follows on this connection may be the rest of what was refused.
    response.shouldKeepAlive = false
    writeProblem(response, REFUSALS[refusal], { requestId, refusal })
    reportRefusal(response.req, refusal, requestId)
  }

  return {
    /** Business calls whose body, or its first 64 KiB, has come, and whose response has not ended. */
    inFlight: () => inFlight,

    handle: (
      request: IncomingMessage,
      response: ServerResponse,
      connection: { begin(): void },
    ): Promise<void> | void => {
      const { method = '', url: target = '', httpVersion, rawHeaders } = request
      const validated = validate({ method, target, httpVersion, rawHeaders })
      if ('refused' in validated) {
        refuse(response, validated.refused, newRequestId())
        return
      }
      const requestId = validated.requestId ?? newRequestId()
      const kind = kindOf(validated.path)
      if (kind === 'lookalike') refuse(response, 'auth-path', requestId)
      else if (kind === 'other' && ticketCheck?.passes(rawHeaders) === false) {
        ticketCheck.refuse(response, requestId)
        reportRefusal(request, 'ticket', requestId)
      } else if (kind === 'local') {
        if (validated.expectsContinue) response.writeContinue()
        return options.serveLocal(request, response, validated.target)
      } else if (inFlight >= config.maxInFlight) refuse(response, 'in-flight', requestId)
      else {
        const begins = (): boolean => {
          if (inFlight >= config.maxInFlight) return false
          connection.begin()
          inFlight += 1
          return true
        }
        return forward({ request, response, validated, requestId, begins })
      }
    },
  }
}

/** Unique in this process and, by a random start, between processes. */
function requestIds(): () => string {
  const start = randomBytes(6).toString('hex')
  let count = 0
  return () => {
    count += 1
    return `${start}-${count.toString(36)}`
  }
}

/**
 * - `local`: login or refresh, served here.
 * - `lookalike`: iSales might take it for one of them. Forwarded with the real token, it would get the next token as its
 *   response.
 * - `other`: any other path.
 */
export type PathKind = 'local' | 'lookalike' | 'other'

/**
 * @param paths of login and refresh, as CTI-OBS is configured with. A server may match them by prefix, and in any case of
 *   letters, so nothing else below their directory `auth` is forwarded, and nothing that begins as they do. Nor is what
 *   iSales publishes forwarded where they are elsewhere: it may serve both.
 * @returns what a path is.
 */
export function localPaths(paths: readonly string[]): (path: string) => PathKind {
  const exact = new Set(paths)
  const guarded = [...paths, PUBLISHED_REFRESH_PATH].map(guardedStart)
  return (path) => {
    if (exact.has(path)) return 'local'
    const plain = `${path.toLowerCase()}/`
    return guarded.some((start) => plain.startsWith(start)) ? 'lookalike' : 'other'
  }
}

/** `/rest/v1/auth/` of `/rest/v1/auth/login`; of a path elsewhere all of it, without the suffix. */
function guardedStart(path: string): string {
  const plain = path.toLowerCase()
  return /^.*\/auth\/(?=[^/]*$)/.exec(plain)?.[0] ?? plain.replace(/\.[^/]*$/, '')
}
