import { INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import { connectRaw, type RawResponse, type RawTarget } from '../support/raw-client.ts'

/** In which field each edition of the interface puts which of the two tokens. */
export type Edition = 'english' | 'chinese'

export interface CtiObsOptions {
  readonly target: RawTarget
  readonly edition?: Edition
  readonly user?: string
  readonly password?: string
  /** Default 127.0.0.1. */
  readonly host?: string
}

type Data = Readonly<Record<string, unknown>>

interface ObsResponse {
  readonly status: number
  readonly result: unknown
  readonly data: Data
}

interface Tokens {
  readonly token: string
  readonly refreshToken: string
}

/** Does what a CTI-OBS does, over one connection, and keeps all that it was sent. */
export async function openCtiObs(options: CtiObsOptions) {
  const { target, edition = 'english', user = 'cti', password = 'cti-password' } = options
  const { host = '127.0.0.1' } = options
  const client = await connectRaw(target)
  const heard: string[] = []
  let tokens: Tokens | undefined
  let paths: Readonly<Record<string, string>> = INTERFACE_PATHS

  async function post(
    path: string,
    body: unknown,
    fields: readonly string[],
  ): Promise<ObsResponse> {
    const json = typeof body === 'string' ? body : JSON.stringify(body)
    const lines = [`POST ${path} HTTP/1.1`, `Host: ${host}`, 'Content-Type: application/json']
    lines.push(`Content-Length: ${Buffer.byteLength(json)}`, ...fields)
    await client.send(`${lines.join('\r\n')}\r\n\r\n${json}`)
    const response = await client.read()
    heard.push(allOf(response))
    const { result, resultData } = parse(response.text)
    return { status: response.status, result, data: isData(resultData) ? resultData : {} }
  }

  function keep(response: ObsResponse): ObsResponse {
    const { token, refreshToken } = response.data
    if (typeof token === 'string' && typeof refreshToken === 'string')
      tokens = { token, refreshToken }
    return response
  }

  function credential(): string[] {
    if (tokens === undefined) return []
    return edition === 'english'
      ? [`Authorization: Bearer ${tokens.token}`]
      : [`Authentication: Bearer ${tokens.refreshToken}`]
  }

  return {
    /** Everything that came, for a search. */
    heard: (): string => heard.join('\n'),
    tokens: (): Tokens | undefined => tokens,
    close: (): void => client.destroy(),
    call: (name: keyof typeof INTERFACE_PATHS, body: Data): Promise<ObsResponse> =>
      post(paths[name] ?? '', { subCCNo: 1, vdnId: 1, ...body }, credential()),
    async login(): Promise<ObsResponse> {
      return keep(await post(LOGIN_PATH, { user, passwd: password }, []))
    },
    async readInterface(path: string): Promise<ObsResponse> {
      const response = await post(path, { version: 311 }, credential())
      if (response.status === 200) paths = response.data as typeof paths
      return response
    },
    async refresh(): Promise<ObsResponse> {
      const { token = '', refreshToken = '' } = tokens ?? {}
      const path = paths['refreshToken'] ?? ''
      return edition === 'english'
        ? keep(await post(path, { refreshToken }, [`Authentication: Bearer ${token}`]))
        : keep(await post(path, '', [`Authentication: ${refreshToken}`]))
    },
  }
}

export type CtiObs = Awaited<ReturnType<typeof openCtiObs>>

function allOf({ reason, fields, text, trailers, interim }: RawResponse): string {
  return JSON.stringify({ reason, fields, text, trailers, interim })
}

function parse(text: string): Data {
  try {
    const json: unknown = JSON.parse(text)
    return isData(json) ? json : {}
  } catch {
    return {}
  }
}

function isData(value: unknown): value is Data {
  return typeof value === 'object' && value !== null
}
