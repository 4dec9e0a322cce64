import { request as httpRequest, type Agent, type IncomingMessage } from 'node:http'

/** A JSON body, or an empty object. */
interface Json {
  readonly result?: unknown
  readonly code?: unknown
  readonly sent?: unknown
  readonly resultData?: Readonly<Record<string, unknown>>
  readonly [name: string]: unknown
}
export type CallResponse = Awaited<ReturnType<typeof read>>

export interface Calling {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Keeps the connection, or opens it with TLS. Default: a new connection without TLS. */
  readonly agent?: Agent
  /** Called when the agent has a connection for the request. */
  readonly onSocket?: () => void
}

/** Sends an HTTP request with Node's own client, which adds no header that CTI-OBS would not send. */
export function call(url: string, { method = 'GET', body, ...calling }: Calling = {}) {
  return new Promise<CallResponse>((resolve, reject) => {
    // Unlike a URL, this keeps dot segments.
    const path = url.slice(new URL(url).origin.length) || '/'
    const headers = { ...calling.headers }
    const options = { agent: false as const, ...calling, path, method, headers }
    const request = httpRequest(url, options)
    request.on('error', reject)
    request.on('socket', () => calling.onSocket?.())
    request.on('response', (response) => void read(response).then(resolve, reject))
    request.end(body)
  })
}

async function read(response: IncomingMessage) {
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8')
  const { rawHeaders, headersDistinct, statusCode = 0 } = response
  return {
    status: statusCode,
    /** Name, value, name, value, unchanged. */
    rawHeaders,
    header: (name: string) => headersDistinct[name.toLowerCase()]?.join(', '),
    text,
    json: parsed(text),
  }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return {}
  }
}
