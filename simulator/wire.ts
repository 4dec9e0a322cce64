import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { Switches } from './switches.ts'

/** One answer, whole. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

const LARGEST_BODY = 1024 * 1024

/** The body; undefined when it is over 1 MiB. */
export async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > LARGEST_BODY) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

/** A JSON object, or undefined. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined
  } catch {
    return undefined
  }
}

/** `{"result": ..., "resultData": ...}` as the switches want it. */
export function reply(
  status: number,
  answer: { readonly result: unknown; readonly resultData?: Readonly<Record<string, unknown>> },
  { resultAs, omit }: Switches,
): Reply {
  const result =
    resultAs === 'string' && typeof answer.result === 'number'
      ? String(answer.result)
      : answer.result
  const text = JSON.stringify({ ...answer, result }, (key, value: unknown) =>
    omit.includes(key) ? undefined : value,
  )
  return {
    status,
    headers: { 'content-type': 'application/json;charset=UTF-8' },
    body: Buffer.from(text),
  }
}

/** The answer as it goes over the wire, compressed when the switches say so. */
export function encode(reply: Reply, request: IncomingMessage, { gzip }: Switches): Reply {
  const accepted = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
  if (gzip === 'off' || (gzip === 'accepted' && !accepted) || reply.body.length === 0) return reply
  const headers = { ...reply.headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding' }
  return { ...reply, headers, body: gzipSync(reply.body) }
}

export function send(response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, {
    ...reply.headers,
    'content-length': String(reply.body.length),
  })
  response.end(reply.body)
}

/** The text after the scheme in a header field; undefined when the field is missing or has another scheme. */
export function bearer(value: string | string[] | undefined, scheme: string): string | undefined {
  if (typeof value !== 'string') return undefined
  if (scheme === '') return value
  const prefix = `${scheme} `
  return value.toLowerCase().startsWith(prefix.toLowerCase())
    ? value.slice(prefix.length)
    : undefined
}
