import type { Config } from '../config/settings.ts'
import type { Secret } from '../config/secret.ts'
import type { Post, PostResult } from '../upstream/post.ts'
import {
  loginBody,
  parseResponse,
  refreshBody,
  type AuthFailure,
  type AuthFailureReason,
  type Grant,
} from './protocol.ts'
import { withScheme } from './token.ts'

export interface IsalesClientOptions extends Pick<
  Config,
  | 'isalesLoginPath'
  | 'isalesRefreshPath'
  | 'isalesRefreshHeader'
  | 'isalesRefreshHeaderToken'
  | 'isalesTokenScheme'
  | 'tokenDefaultLifetime'
> {
  readonly post: Post
  /** Milliseconds since 1970, for a `Retry-After` that is a date. */
  readonly wallClock: () => number
}

export interface Credentials {
  readonly user: string
  readonly password: Secret
}

export interface RefreshTokens {
  readonly token: Secret
  readonly refreshToken: Secret
}

/** The two token requests, one HTTP request each, never repeated here. They never reject. */
export interface IsalesClient {
  readonly login: (credentials: Credentials, signal: AbortSignal) => Promise<Grant | AuthFailure>
  readonly refresh: (tokens: RefreshTokens, signal: AbortSignal) => Promise<Grant | AuthFailure>
}

const REASON_OF_FAILURE = {
  unreachable: 'unavailable',
  'proxy-auth': 'unavailable',
  broken: 'unavailable',
  tls: 'tls',
  timeout: 'timeout',
} as const satisfies Record<string, AuthFailureReason>

function failureOf({ failure, code, written }: Extract<PostResult, { ok: false }>): AuthFailure {
  const reason = REASON_OF_FAILURE[failure]
  if (failure === 'proxy-auth') return { kind: 'egress', reason, detail: code }
  // A TLS failure may come after the first bytes were written, and still nothing of them was read.
  return { kind: written && failure !== 'tls' ? 'unclear' : 'unreached', reason, detail: code }
}

export function createIsalesClient(options: IsalesClientOptions): IsalesClient {
  const { isalesRefreshHeader, isalesRefreshPath = '', isalesTokenScheme: scheme } = options

  const post = async (request: Parameters<Post>[0]) => {
    const result = await options.post(request)
    return result.ok
      ? parseResponse(result, options.tokenDefaultLifetime, options.wallClock())
      : failureOf(result)
  }

  return {
    login: ({ user, password }, signal) =>
      post({ path: options.isalesLoginPath, body: loginBody(user, password), signal }),

    refresh(tokens, signal) {
      const request = { path: isalesRefreshPath, body: refreshBody(tokens.refreshToken), signal }
      if (isalesRefreshHeader === undefined) return post(request)
      const token = tokens[options.isalesRefreshHeaderToken].reveal()
      return post({ ...request, headers: [isalesRefreshHeader, withScheme(scheme, token)] })
    },
  }
}
