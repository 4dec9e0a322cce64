import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { LOGIN_PATH, INTERFACE_PATHS } from '../../simulator/index.ts'
import { connectRaw, exchangeRaw, requestText, type ReadOptions } from './raw-client.ts'
import { responseBytes, startRawUpstream } from './raw-upstream.ts'
import type { RawUpstreamOptions, Step } from './raw-upstream.ts'
import { until } from './until.ts'
import { openWorld, type WorldOptions } from './world.ts'

export interface StrictWorldOptions extends WorldOptions {
  /** Responds to a login; `n` counts them. Default: token-n for an hour. */
  readonly login?: (n: number) => ReturnType<RawUpstreamOptions['respond']>
}

/** The whole app in front of an iSales that checks every byte that it receives and sends the test's bytes. */
export type StrictWorld = Awaited<ReturnType<typeof openStrictWorld>>

export const PATH: string = INTERFACE_PATHS.getTask

export function post(body: string, fields: readonly string[] = []): string {
  return requestText(`POST ${PATH} HTTP/1.1`, ['Host: localhost', ...fields], body)
}

export function get(fields: readonly string[] = [], { method = 'GET', path = PATH } = {}): string {
  return [`${method} ${path} HTTP/1.1`, 'Host: localhost', ...fields, '', ''].join('\r\n')
}

function loginResponse(n: number): string {
  const resultData = { token: `token-${n}`, tokenExpirationTime: 3600 }
  return responseBytes(JSON.stringify({ result: 0, resultData }))
}

/** Holds a response of iSales until the test opens it. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}

/** Opens a world that is closed when the test ends, and fails it if iSales received anything but HTTP/1.1. */
export async function openStrictWorld(options: StrictWorldOptions = {}) {
  const { login = loginResponse } = options
  let respond: RawUpstreamOptions['respond'] = () => responseBytes('ok')
  let served = 0
  let logins = 0
  const upstream = await startRawUpstream({
    respond(request) {
      if (request.target === LOGIN_PATH) {
        logins += 1
        return login(logins)
      }
      const hasToken = /^Bearer token-\d+$/.test(request.header('authorization') ?? '')
      return hasToken ? respond(request) : responseBytes('no', { status: '401 No' })
    },
  })
  const world = await openWorld({
    ...options,
    shared: true,
    env: { ISALES_URL: upstream.origin, ISALES_REFRESH_PATH: 'off', ...options.env },
    random: () => 0.5,
  })
  const metric = (sample: string) => world.metric(`isales_proxy_${sample}`)
  let stopped: Promise<void> | undefined
  const strict = {
    ...world,
    upstream,
    /** Business requests that arrived complete at iSales since the last `serve`, in the order of their ends. */
    business: () => upstream.requests.slice(served).filter(({ target }) => target !== LOGIN_PATH),
    /** Sets iSales's response from now on. Default: 200 with `ok`. */
    serve(next: RawUpstreamOptions['respond'] | Step | readonly Step[]) {
      respond = typeof next === 'function' ? (next as typeof respond) : () => next
      served = upstream.requests.length
    },
    logins: () => logins,
    connect: () => connectRaw(world),
    exchange: (request: string | Uint8Array, reading?: ReadOptions) =>
      exchangeRaw(world, request, reading),
    metric,
    idle: () => until(async () => (await metric('requests_in_flight')) === 0),
    stop() {
      stopped ??= world
        .stop()
        .then(() => upstream.close())
        .then(() => {
          const faults = upstream.faults.join('; ')
          if (faults !== '') throw new Error(`iSales received invalid HTTP: ${faults}`)
        })
      return stopped
    },
  }
  if (options.shared !== true) onTestFinished(() => strict.stop())
  await until(() => logins > 0)
  return strict
}

export function shareStrictWorld(options: StrictWorldOptions = {}): StrictWorld {
  const world = {} as StrictWorld
  beforeAll(async () => {
    Object.assign(world, await openStrictWorld({ ...options, shared: true }))
  })
  afterAll(() => world.stop())
  return world
}
