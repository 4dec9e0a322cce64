import { onTestFinished } from 'vitest'
import {
  createSimulator,
  INTERFACE_PATHS,
  LOGIN_PATH,
  REFRESH_PATH,
  type SimulatorOptions,
} from '../../simulator/index.ts'

export interface Received {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The JSON body, or an empty object. */
  readonly json: {
    readonly result?: unknown
    readonly resultData?: Readonly<Record<string, unknown>>
    readonly [name: string]: unknown
  }
}

export interface Granted {
  readonly token: string
  readonly refreshToken: string
}

/** A simulator that is closed when the test ends, and what a client of it does. */
export async function simulate(options: SimulatorOptions = {}) {
  const sim = await createSimulator(options)
  onTestFinished(() => sim.close())

  async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
    const init = {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      redirect: 'manual',
    } as const
    return read(await fetch(`${sim.origin}${path}`, init))
  }
  const login = (passwd: string = sim.switches.password, user = sim.switches.user) =>
    post(LOGIN_PATH, { user, passwd })
  return {
    sim,
    post,
    login,
    granted: async (): Promise<Granted> => grantOf(await login()),
    refresh: (
      refreshToken: string,
      headers: Record<string, string> = { authentication: `Bearer ${refreshToken}` },
    ) => post(REFRESH_PATH, { refreshToken }, headers),
    tasks: (token: string, field = 'authorization') =>
      post(INTERFACE_PATHS.getTask, { subCCNo: 1, vdnId: 1 }, { [field]: `Bearer ${token}` }),
    business: (path: string, token: string, body: unknown) =>
      post(path, body, { authorization: `Bearer ${token}` }),
    control: async (name: string, body?: unknown) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body ?? {})
      return read(await fetch(`${sim.controlUrl}/${name}`, { method: 'POST', body: text }))
    },
  }
}

export function grantOf({ json }: Received): Granted {
  return {
    token: String(json.resultData?.['token']),
    refreshToken: String(json.resultData?.['refreshToken']),
  }
}

export async function read(response: Response): Promise<Received> {
  const text = await response.text()
  const { status, headers } = response
  return { status, headers, text, json: parsed(text) }
}

function parsed(text: string): Received['json'] {
  try {
    return JSON.parse(text) as Received['json']
  } catch {
    return {}
  }
}
