import { onTestFinished } from 'vitest'
import { startApp, type AppOptions } from '../../src/server.ts'
import type { Environment } from '../../src/config/load.ts'
import type { Config } from '../../src/config/index.ts'
import type { LogFields } from '../../src/log/log-events.ts'
import { configOf } from '../support/config.ts'
import { connectRaw, exchangeRaw, requestText, type ReadOptions } from '../support/raw-client.ts'
import {
  responseBytes,
  startRawUpstream,
  type RawUpstreamOptions,
  type Step,
} from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { metricOf } from '../support/world.ts'

export interface StandOptions {
  /** Default: 200 with `ok`. */
  readonly respond?: RawUpstreamOptions['respond']
  readonly env?: Environment
  /** Values that override those derived from settings. */
  readonly config?: Partial<Config>
  readonly limits?: AppOptions['limits']
  /** If true, iSales rejects every token except the latest login's, and rejects it if it was revoked. */
  readonly revoked?: () => number
  /** True: for all tests of a file, which stops it in `afterAll`. */
  readonly shared?: boolean
  /** False: does not wait for the first token. */
  readonly authenticated?: boolean
  /** Responds to a login; `n` counts them. Default: token-n for an hour. */
  readonly login?: (n: number) => ReturnType<RawUpstreamOptions['respond']>
}

/** The whole app in front of an iSales whose bytes the test decides, and which checks every byte that it receives. */
export type Stand = Awaited<ReturnType<typeof openStand>>

export const PATH = '/rest/isales/v1/openapi/obs/business/tasks'
const LOGIN_PATH = '/rest/isales/v1/openapi/obs/auth/login'

/** A POST with a body of known length. */
export function post(body: string, fields: readonly string[] = []): string {
  return requestText(`POST ${PATH} HTTP/1.1`, ['Host: localhost', ...fields], body)
}

export function get(fields: readonly string[] = [], { method = 'GET', path = PATH } = {}): string {
  return [`${method} ${path} HTTP/1.1`, 'Host: localhost', ...fields, '', ''].join('\r\n')
}

/** A POST whose body comes in these chunks. */
export function chunkedPost(chunks: readonly string[], fields: readonly string[] = []): string {
  const coded = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')
  const lines = [`POST ${PATH} HTTP/1.1`, 'Host: localhost', ...fields]
  return [...lines, 'Transfer-Encoding: chunked', '', `${coded}0`, '', ''].join('\r\n')
}

export function loginResponse(n: number, lifetime = 3600): string {
  const resultData = { token: `token-${n}`, tokenExpirationTime: lifetime }
  return responseBytes(JSON.stringify({ result: 0, resultData }))
}

/** Holds a response of iSales, or a login, until the test lets it go. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}

/** Opens a stand that is closed when the test ends, and fails it when iSales was sent anything but HTTP/1.1. */
export async function openStand(options: StandOptions = {}) {
  const { login = loginResponse, revoked = () => 0 } = options
  let { respond = () => responseBytes('ok') } = options
  const loginPath = options.env?.['ISALES_LOGIN_PATH'] ?? LOGIN_PATH
  let served = 0
  let logins = 0
  const upstream = await startRawUpstream({
    respond(request) {
      if (request.target === loginPath) {
        logins += 1
        return login(logins)
      }
      const token = Number(
        /^Bearer .*token-(\d+)$/.exec(request.header('authorization') ?? '')?.[1],
      )
      return token > revoked() ? respond(request) : responseBytes('no', { status: '401 No' })
    },
  })
  const log: (LogFields & { readonly event: string })[] = []
  let granted = false
  const app = await startApp({
    limits: options.limits,
    config: {
      ...configOf({
        ISALES_URL: upstream.origin,
        ISALES_USER: 'obs',
        ISALES_PASSWORD: 'secret',
        ISALES_REFRESH_PATH: 'off',
        LISTEN: '127.0.0.1:0',
        ADMIN_LISTEN: '127.0.0.1:0',
        ALLOWED_PATHS: '/rest/isales/',
        ...options.env,
      }),
      drainTimeout: 1000,
      ...options.config,
    },
    version: 'test',
    log: (event, fields = {}) => log.push({ event, ...fields }),
    random: () => 0.5,
    onTokenEvent: ({ type }) => (granted ||= type === 'granted'),
  })
  const { proxy, admin } = app
  const port = Number(new URL(proxy).port)
  const tls = proxy.startsWith('https:') ? { tls: { rejectUnauthorized: false } } : {}

  const metric = (sample: string) => metricOf(admin, `isales_proxy_${sample}`)
  let stopped: Promise<void> | undefined
  const stand = {
    port,
    /** Origin of the admin listener. */
    admin,
    upstream,
    /** Business requests that came whole to iSales since the last `serve`, in the order of their ends. */
    business: () => upstream.requests.slice(served).filter(({ target }) => target !== loginPath),
    /** Response of iSales from now on, for a stand that several tests share. */
    serve(next: RawUpstreamOptions['respond'] | Step | readonly Step[]) {
      respond = typeof next === 'function' ? (next as typeof respond) : () => next
      served = upstream.requests.length
    },
    logins: () => logins,
    log,
    connect: () => connectRaw({ port, ...tls }),
    exchange: (request: string | Uint8Array, reading?: ReadOptions) =>
      exchangeRaw({ port, ...tls }, request, reading),
    metric,
    /** Waits until no request is in flight. */
    idle: async () => {
      await until(async () => (await metric('requests_in_flight')) === 0)
    },
    /** @throws when iSales was sent anything but HTTP/1.1. */
    stop() {
      stopped ??= app
        .stop()
        .then(() => upstream.close())
        .then(() => {
          const { faults } = upstream
          if (faults.length > 0)
            throw new Error(`iSales was sent what is not HTTP: ${faults.join('; ')}`)
        })
      return stopped
    },
  }
  if (options.shared !== true) onTestFinished(() => stand.stop())
  await until(() => logins > 0)
  if (options.authenticated !== false) await until(() => granted)
  return stand
}
