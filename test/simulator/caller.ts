import { onTestFinished } from 'vitest'
import {
  createSimulator,
  INTERFACE_PATHS,
  LOGIN_PATH,
  REFRESH_PATH,
  type SimulatorOptions,
} from '../../simulator/index.ts'
import { call, type CallResponse } from '../support/call.ts'

/** Starts a simulator until the test ends, with requests of a client. */
export async function simulate(options: SimulatorOptions = {}) {
  const sim = await createSimulator(options)
  onTestFinished(() => sim.close())

  const post = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    call(`${sim.origin}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  const login = (passwd: string = sim.switches.password, user = sim.switches.user) =>
    post(LOGIN_PATH, { user, passwd })
  return {
    sim,
    post,
    login,
    granted: async () => grantOf(await login()),
    refresh: (
      refreshToken: string,
      headers: Readonly<Record<string, string>> = { authentication: `Bearer ${refreshToken}` },
    ) => post(REFRESH_PATH, { refreshToken }, headers),
    tasks: (token: string, field = 'authorization') =>
      post(INTERFACE_PATHS.getTask, { subCCNo: 1, vdnId: 1 }, { [field]: `Bearer ${token}` }),
    business: (path: string, token: string, body: unknown) =>
      post(path, body, { authorization: `Bearer ${token}` }),
    control: (name: string, body: unknown = {}) =>
      call(`${sim.controlUrl}/${name}`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  }
}

/** The same, with both tokens of a first login. */
export async function loggedIn(options: SimulatorOptions = {}) {
  const client = await simulate(options)
  return { ...client, ...(await client.granted()) }
}

export function grantOf({ json }: CallResponse) {
  const { token, refreshToken } = json.resultData ?? {}
  return { token: String(token), refreshToken: String(refreshToken) }
}
