import type { Clock } from '../clock.ts'
import type { Config } from '../config/settings.ts'
import { CODES, tlsSideOf } from '../upstream/errors.ts'
import type { Post, PostResult } from '../upstream/post.ts'
import type { Ask, Credentials, IsalesClient, Sending } from './attempts.ts'
import {
  isGrant,
  isRefusal,
  loginBody,
  parseResponse,
  refreshBody,
  type AuthFailure,
} from './protocol.ts'
import { withScheme } from './token.ts'

export interface IsalesClientOptions extends Pick<
  Config,
  | 'isalesUrl'
  | 'isalesLoginPath'
  | 'isalesRefreshPath'
  | 'isalesRefreshHeaderToken'
  | 'isalesTokenScheme'
> {
  readonly post: Post
  readonly clock: Clock
  /** Milliseconds since 1970, for a `Retry-After` that is a date. */
  readonly wallClock: () => number
}

/** For a command, which looks at nothing but the outcome. */
export function askOnce(signal: AbortSignal): Sending {
  return { signal, onSent() {} }
}

/** A login for a command, before which nothing is known. */
export function loginOnce(credentials: Credentials, sending: Sending): Ask {
  const nothing = { current: undefined, rejectedAt: undefined, forced: false, failures: 0 }
  return { ...sending, ...nothing, operation: 'login', credentials }
}

function failureOf({ failure, code, written }: Extract<PostResult, { ok: false }>): AuthFailure {
  const reason = failure === 'tls' || failure === 'timeout' ? failure : 'unavailable'
  if (code === CODES.proxyAuth) return { kind: 'egress', reason, detail: code }
  // A TLS failure may come after the first bytes were written, and still nothing of them was read.
  return { kind: written && failure !== 'tls' ? 'unclear' : 'untouched', reason, detail: code }
}

export function createIsalesClient(options: IsalesClientOptions): IsalesClient {
  const { isalesRefreshPath = '', isalesTokenScheme: scheme } = options

  const post = async (
    request: Omit<Parameters<Post>[0], 'signal'>,
    { signal, onSent }: Sending,
  ) => {
    onSent()
    const sentAt = options.clock.now()
    const result = await options.post({ ...request, signal })
    const outcome = result.ok
      ? parseResponse(result, sentAt, options.wallClock())
      : failureOf(result)
    if (isGrant(outcome) || isRefusal(outcome)) return outcome
    const code = result.ok ? result.status : result.code
    return { ...outcome, tlsSide: tlsSideOf(options.isalesUrl, code) }
  }

  return {
    login: ({ user, password }, ask) =>
      post({ path: options.isalesLoginPath, body: loginBody(user, password) }, ask),

    refresh(tokens, ask) {
      const request = { path: isalesRefreshPath, body: refreshBody(tokens.refreshToken) }
      const field = options.isalesRefreshHeaderToken
      if (field === undefined) return post(request, ask)
      const token = tokens[field].reveal()
      return post({ ...request, headers: ['Authentication', withScheme(scheme, token)] }, ask)
    },
  }
}
