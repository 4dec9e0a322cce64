import type { IncomingHttpHeaders } from 'node:http'
import { serveHttp } from './http-server.ts'

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: number }
}

interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly Attribute[]
  readonly status: { readonly code?: number }
}

export interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] }
    readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[]
  }[]
}

/** A collector for OTLP over HTTP that remembers what it was sent. */
export async function openReceiver() {
  const received: { url: string; headers: IncomingHttpHeaders; body: string }[] = []
  let status = 200
  const server = await serveHttp((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      received.push({ url: request.url ?? '', headers: request.headers, body })
      response.writeHead(status, { 'Content-Type': 'application/json' }).end('{}')
    })
  })
  return {
    received,
    endpoint: `${server.url}/`,
    respond: (code: number) => {
      status = code
    },
    spans: () =>
      received.flatMap(({ body }) =>
        (JSON.parse(body) as Export).resourceSpans.flatMap(({ scopeSpans }) =>
          scopeSpans.flatMap(({ spans }) => spans),
        ),
      ),
    close: server.close,
  }
}

export function attributesOf(
  span: ReceivedSpan | undefined,
): Readonly<Record<string, string | number>> {
  return Object.fromEntries(
    (span?.attributes ?? []).map(({ key, value }) => [
      key,
      value.stringValue ?? value.intValue ?? '',
    ]),
  )
}
