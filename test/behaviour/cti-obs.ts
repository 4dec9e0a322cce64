import { isObject, parseObject, type JsonObject } from '../../src/json.ts'
import { INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import { connectRaw, requestText, type RawTarget } from '../support/raw-client.ts'
import { ACCOUNT } from '../support/world.ts'

/** Editions of the interface, which put tokens into different headers. */
export type Edition = 'english' | 'chinese'

export async function openCtiObs(target: RawTarget, edition: Edition) {
  const client = await connectRaw(target)
  let tokens: { readonly token: string; readonly refreshToken: string } | undefined
  let paths: Readonly<Record<string, unknown>> = INTERFACE_PATHS

  async function post(path: unknown, body: unknown, fields: readonly string[]) {
    const json = typeof body === 'string' ? body : JSON.stringify(body)
    const lines = ['Host: 127.0.0.1', 'Content-Type: application/json', ...fields]
    await client.send(requestText(`POST ${String(path)} HTTP/1.1`, lines, json))
    const response = await client.read()
    const { result, resultData } = parseObject(response.text) ?? {}
    return { status: response.status, result, data: isObject(resultData) ? resultData : {} }
  }

  async function ask(path: unknown, body: unknown, fields: readonly string[]) {
    const response = await post(path, body, fields)
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
    close: (): void => client.destroy(),
    call: (name: keyof typeof INTERFACE_PATHS, body: JsonObject) =>
      post(paths[name], { subCCNo: 1, vdnId: 1, ...body }, credential()),
    login: () => ask(LOGIN_PATH, ACCOUNT, []),
    async readInterface(path: string) {
      const response = await post(path, { version: 311 }, credential())
      if (response.status === 200) paths = response.data
      return response
    },
    refresh() {
      const { token = '', refreshToken = '' } = tokens ?? {}
      return edition === 'english'
        ? ask(paths['refreshToken'], { refreshToken }, [`Authentication: Bearer ${token}`])
        : ask(paths['refreshToken'], '', [`Authentication: ${refreshToken}`])
    },
  }
}
