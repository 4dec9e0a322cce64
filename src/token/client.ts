import type { Post } from '../upstream/post.ts'
import type { Secret } from '../config/secret.ts'
import {
  loginBody,
  parseAnswer,
  refreshBody,
  type AuthFailure,
  type AuthFailureReason,
  type Grant,
} from './protocol.ts'

export interface IsalesClientOptions {
  readonly post: Post
  readonly loginPath: string
  readonly refreshPath: string
  /** The field that carries a token on the refresh call; undefined: none. */
  readonly refreshHeader: string | undefined
  readonly refreshHeaderToken: 'token' | 'refreshToken'
  readonly tokenScheme: string
  /** Milliseconds; stands in for a lifetime that cannot be believed. */
  readonly assumedLifetime: number
  readonly wallClock: () => number
}

export interface Credentials {
  readonly user: string
  readonly password: Secret
}

/** The two exchanges of the published interface, one HTTP request each, never repeated here. */
export interface IsalesClient {
  readonly login: (credentials: Credentials, signal: AbortSignal) => Promise<Grant | AuthFailure>
  readonly refresh: (tokens: RefreshTokens, signal: AbortSignal) => Promise<Grant | AuthFailure>
}

export interface RefreshTokens {
  readonly token: Secret
  readonly refreshToken: Secret
}

const REASON_OF_FAILURE = {
  unreachable: 'unavailable',
  broken: 'unavailable',
  tls: 'tls',
  timeout: 'timeout',
} as const satisfies Record<string, AuthFailureReason>

export function createIsalesClient(options: IsalesClientOptions): IsalesClient {
  const { post: send, tokenScheme, refreshHeader, refreshHeaderToken } = options

  const post = async (
    path: string,
    body: string,
    signal: AbortSignal,
    extraHeaders: readonly string[] = [],
  ): Promise<Grant | AuthFailure> => {
    const headers = [
      'Content-Type',
      'application/json',
      'Accept',
      'application/json',
      ...extraHeaders,
    ]
    const result = await send({ path, headers, body, signal })
    if (!result.ok) return { reason: REASON_OF_FAILURE[result.failure], detail: result.code }
    return parseAnswer(result, { assumed: options.assumedLifetime }, options.wallClock())
  }

  return {
    login: ({ user, password }, signal) =>
      post(options.loginPath, loginBody(user, password), signal),
    refresh(tokens, signal) {
      const carried = credentialText(tokenScheme, tokens[refreshHeaderToken])
      const headers = refreshHeader === undefined ? [] : [refreshHeader, carried]
      return post(options.refreshPath, refreshBody(tokens.refreshToken), signal, headers)
    },
  }
}

function credentialText(scheme: string, token: Secret): string {
  return scheme === '' ? token.reveal() : `${scheme} ${token.reveal()}`
}
