import type { Config } from '../config/settings.ts'
import { serveHono } from '../http/hono.ts'
import { createObsApp, type ObsLogin, type ObsLoginOutcome } from './app.ts'
import { createGate } from './ticket-check.ts'
import { localPaths } from './paths.ts'
import { createTickets } from './tickets.ts'
import type { Clock } from '../clock.ts'

interface LocalLoginParts {
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  readonly onLogin: (outcome: ObsLoginOutcome) => void
}

/** Where CTI-OBS refreshes, as published: it does so even when we do not refresh with iSales. */
const PUBLISHED_REFRESH_PATH = '/rest/isales/v1/openapi/obs/auth/refresh'

/** What CTI-OBS gets in place of iSales' login, and what it has to show for it. */
export function openLocalLogin(config: Config, { clock, wallClock, onLogin }: LocalLoginParts) {
  const loginPath = config.isalesLoginPath
  const refreshPath = config.isalesRefreshPath ?? PUBLISHED_REFRESH_PATH
  const numbers = config.obsNumbers
  const login = loginOf(config)
  const tickets = createTickets({
    key: config.obsTicketKey ?? config.obsPassword,
    lifetime: config.obsTicketLifetime,
    now: wallClock,
  })
  const now = (): number => clock.now()
  const app = createObsApp({ login, tickets, loginPath, refreshPath, numbers, now, onLogin })
  return {
    isLocal: localPaths([loginPath, refreshPath]),
    serveLocal: serveHono(app),
    gate: login.mode === 'require' ? createGate({ verify: tickets.verify, numbers }) : undefined,
  }
}

function loginOf(config: Config): ObsLogin {
  const { obsLogin: mode, obsUser: user, obsPassword: password } = config
  if (mode !== 'require') return { mode }
  if (user === undefined || password === undefined)
    throw new Error('OBS_LOGIN=require without OBS_USER or OBS_PASSWORD')
  return { mode, credentials: { user, password } }
}
