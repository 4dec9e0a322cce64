import { randomBytes } from 'node:crypto'
import type { Config } from '../config/settings.ts'
import type { TokenEvent } from '../token/events.ts'
import type { Tracing } from '../tracing/otlp.ts'
import { createEchoes } from './echoes.ts'
import { createForward, type ForwardOptions } from './forward.ts'
import { createHandler, type HandlerOptions } from './handler.ts'

interface ProxyParts
  extends
    Pick<ForwardOptions, 'tokens' | 'dispatch' | 'clock' | 'onReplay' | 'onError'>,
    Pick<HandlerOptions, 'kindOf' | 'serveLocal' | 'ticketCheck' | 'onEnd'> {
  /** Lower-case `host` names, without port, that are ours. */
  readonly hosts: ReadonlySet<string>
  /** Undefined: nothing is traced. */
  readonly tracing: Tracing | undefined
}

/** The data plane from a request of a client on. */
export function openProxy(config: Config, parts: ProxyParts) {
  const { tracing, hosts } = parts
  const echoes = createEchoes()
  const rules = {
    ...config,
    hosts,
    scheme: config.listenTlsCertFile === undefined ? 'http' : 'https',
    // Received-by of our `Via`. It differs between processes, so that one proxy may be in front of another.
    pseudonym: `isales-auth-proxy-${randomBytes(6).toString('hex')}`,
  } as const
  const forward = createForward({ ...parts, config, rules, carriesToken: echoes.carriesToken })
  const handler = createHandler({
    ...parts,
    rules,
    maxInFlight: config.maxInFlight,
    newRequestId: requestIds(),
    forward(call) {
      if (tracing === undefined) return forward(call)
      const { request, response, validated, requestId } = call
      const span = tracing.requestStarted(request)
      return forward({ request, response, validated, requestId, span })
    },
  })
  return { ...handler, onTokenEvent: (event: TokenEvent) => echoes.onTokenEvent(event) }
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
