import { systemClock } from '../clock.ts'
import { classify, CODES } from './errors.ts'
import type { UpstreamController, UpstreamHandler, UpstreamRequest } from './attempt.ts'

/** The result of one POST. A failure is named by its class and code, never by message text. */
export type PostResult =
  | {
      readonly ok: true
      readonly status: number
      /** The first `Retry-After` header. */
      readonly retryAfter?: string | undefined
      /** Undefined: it was longer than 64 KiB. */
      readonly body: string | undefined
    }
  | {
      readonly ok: false
      /** `proxy-auth`: the egress proxy responded 407; iSales was not reached. */
      readonly failure: 'unreachable' | 'proxy-auth' | 'tls' | 'broken' | 'timeout'
      readonly code: string
      /** True when bytes of the request may have reached iSales. */
      readonly written: boolean
    }

/** Sends one POST to iSales, on connections that business calls do not use. */
export type Post = (request: {
  readonly path: string
  readonly headers: readonly string[]
  readonly body: string
  /** Aborting ends the POST with a result of no interest. */
  readonly signal: AbortSignal
}) => Promise<PostResult>

/** Bytes; the response to a login has a few hundred. */
const MAX_RESPONSE = 64 * 1024

const LATE = { ok: false, failure: 'timeout', code: 'no whole response in time' } as const

/** @param timeout milliseconds for all of it. */
export function createPost(
  dispatch: (request: UpstreamRequest, handler: UpstreamHandler) => UpstreamController,
  timeout: number,
): Post {
  return async ({ path, headers, body, signal }) => {
    if (signal.aborted) return { ...LATE, written: false }
    return new Promise((resolve) => {
      const response = { status: 0, retryAfter: undefined as string | undefined, bytes: 0 }
      const chunks: Buffer[] = []
      let written = false
      const settle = (result: PostResult): void => {
        timer.cancel()
        signal.removeEventListener('abort', giveUp)
        resolve(result)
      }
      const received = (text: string | undefined): void => {
        const { status, retryAfter } = response
        settle({ ok: true, status, retryAfter, body: text })
      }
      const giveUp = (): void => {
        settle({ ...LATE, written })
        attempt.abort(new Error('the login timed out or was cancelled'))
      }
      const timer = systemClock.setTimer(giveUp, timeout)
      signal.addEventListener('abort', giveUp)
      const attempt = dispatch(
        { path, method: 'POST', headers: [...headers], body },
        {
          onRequestStart() {
            written = true
          },
          onResponseStart({ rawHeaders }, status) {
            response.status = status
            response.retryAfter = valueOf(rawHeaders, 'retry-after')
          },
          onResponseData(controller, chunk) {
            response.bytes += chunk.length
            if (response.bytes <= MAX_RESPONSE) {
              chunks.push(chunk)
              return
            }
            received(undefined)
            controller.abort(new Error('the response is too long'))
          },
          onResponseEnd() {
            received(Buffer.concat(chunks).toString('utf8'))
          },
          onResponseError(_, error) {
            settle({ ok: false, ...failureOf(error), written })
          },
        },
      )
    })
  }
}

function failureOf(error: unknown): Pick<PostResult & { ok: false }, 'failure' | 'code'> {
  const { failure, code } = classify(error)
  if (code === CODES.proxyAuth) return { failure: 'proxy-auth', code }
  const ours = failure === 'invalid' || failure === 'closed'
  return { failure: ours ? 'broken' : failure, code }
}

/** The first one's value. */
function valueOf(rawHeaders: readonly Buffer[], lowerName: string): string | undefined {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toString('latin1').toLowerCase() === lowerName)
      return rawHeaders[i + 1]?.toString('latin1')
  }
  return undefined
}
