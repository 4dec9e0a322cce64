import { path as pathFormat } from '../config/formats-net.ts'
import { formatDuration } from '../config/formats.ts'
import type { Config } from '../config/settings.ts'
import { isObject, parseObject, type JsonObject } from '../http/json.ts'
import type { Grant } from '../token/protocol.ts'
import { withScheme } from '../token/token.ts'
import type { Post } from '../upstream/post.ts'

/** What `check --live` and `discover` send to iSales, and what they say of its responses. */

/** Where a business call carries its token. */
export interface Carrier {
  readonly headers: readonly string[]
  readonly field: Config['isalesTokenField']
  /** May be empty. */
  readonly scheme: string
}

export interface InterfaceResponse {
  /** 0: no response came. */
  readonly status: number
  /** `result` as text; undefined: the body is not JSON or has none. */
  readonly result: string | undefined
  readonly data: JsonObject
  /** A page, which the proxy takes for a gateway's. */
  readonly page: boolean
  /** `status 403, result 7` or `no response (ECONNREFUSED)`. Never the body: it may hold a token. */
  readonly text: string
  readonly works: boolean
}

/** Calls `business/interface` once, which changes nothing: it proves header, scheme, field and path. */
export async function callInterface(
  { config, post, signal }: { readonly config: Config; post: Post; signal: AbortSignal },
  { headers, scheme }: Carrier,
  token: string,
): Promise<InterfaceResponse> {
  const value = withScheme(scheme, token)
  const response = await post({
    path: config.isalesInterfacePath,
    headers: headers.flatMap((name) => [name, value]),
    body: '{"version":311}',
    signal,
  })
  if (!response.ok) {
    const text = `no response (${response.code})`
    return { status: 0, result: undefined, data: {}, page: false, text, works: false }
  }
  const { status, body = '' } = response
  const { result: given, resultData } = parseObject(body) ?? {}
  const result = typeof given === 'number' || typeof given === 'string' ? String(given) : undefined
  const foreign = status === 200 && result === undefined ? ', not a response of iSales' : ''
  const shown = result !== undefined && /^-?\w{1,9}$/.test(result) ? `, result ${result}` : foreign
  return {
    status,
    result,
    data: isObject(resultData) ? resultData : {},
    page: body.trimStart().startsWith('<'),
    text: `status ${status}${shown}`,
    works: status === 200 && result === '0',
  }
}

/** The token that goes into the header fields. */
export function tokenText({ token, refreshToken }: Grant, field: Carrier['field']): string {
  return (field === 'refreshToken' ? (refreshToken ?? token) : token).reveal()
}

/** `Authorization: Bearer <token>` */
export function describeCarrier({ headers, scheme, field }: Carrier): string {
  return `${headers.join(' and ')}: ${withScheme(scheme, `<${field}>`)}`
}

/** `lives 5m, with a refresh token that lives 1h`, of the token. */
export function describeGrant({ lifetime, refreshToken, refreshLifetime }: Grant): string {
  const life =
    lifetime.doubt === 'missing'
      ? 'states no lifetime that can be believed (5m is taken)'
      : `lives ${formatDuration(lifetime.ms)}`
  if (refreshToken === undefined) return `${life}, without a refresh token`
  const refresh =
    refreshLifetime === undefined ? '' : ` that lives ${formatDuration(refreshLifetime)}`
  return `${life}, with a refresh token${refresh}`
}

/** A path that `business/interface` names, and the origin where it stands in a URL. */
export interface NamedPath {
  readonly name: string
  readonly path: string
  readonly origin: string | undefined
}

export function namedPaths({ data }: InterfaceResponse): readonly NamedPath[] {
  return Object.entries(data).flatMap(([name, value]) => {
    const text = String(value)
    const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined
    const { data: path } = pathFormat().safeParse(url?.pathname ?? value)
    return path === undefined ? [] : [{ name, path, origin: url?.origin }]
  })
}
