import type { Environment } from '../../src/config/load.ts'
import { call, type CallResponse } from './call.ts'
import { ACCOUNT, openWorld, type World, type WorldOptions } from './world.ts'

/** Planted secrets. Because of quotes, `%` and `/`, their encoded forms differ from the plain ones. */
export const CANARIES = {
  password: 'canary-"pass/1%word',
  rotated: 'canary-"rotated/2%word',
  obsPassword: 'canary-"obs/3%word',
  wrongPassword: 'canary-"wrong/4%word',
  clientToken: 'canary-client-token-5',
  responseToken: 'canary-response-token-6',
  responseRefresh: 'canary-response-refresh-7',
  egressPassword: 'canary-egress-8',
} as const

/** Returns the names or texts of secrets in `text`, plain or in JSON, base64, hex or percent-encoding. */
export function leaks(text: string, more: readonly string[] = []): readonly string[] {
  const planted = [...Object.entries(CANARIES), ...more.map((secret) => [secret, secret] as const)]
  const isIn = (secret: string) => spellings(secret).some((spelling) => text.includes(spelling))
  return planted.flatMap(([name, secret]) => (isIn(secret) ? name : []))
}

function spellings(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    // The last characters of base64 depend on the next bytes.
    bytes.toString('base64').slice(0, Math.floor(bytes.length / 3) * 4),
    bytes.toString('hex'),
    encodeURIComponent(secret),
  ]
}

/** Settings with every secret that the program takes, some passwords in the wrong place, and the most detailed log. */
export const SECRET_SETTINGS: Environment = {
  ISALES_URL: 'https://127.0.0.1:9',
  ISALES_USER: 'obs',
  ISALES_PASSWORD: CANARIES.password,
  OBS_USER: ACCOUNT.user,
  OBS_PASSWORD: CANARIES.obsPassword,
  NO_PROXY: `http://a:b@one,http://cti:1, ${CANARIES.egressPassword}@two`,
  LISTEN: '127.0.0.1:0',
  ADMIN_LISTEN: '127.0.0.1:0',
  LOG_LEVEL: 'debug',
}

/** Opens a world with these settings, whose iSales knows the password. Jitter of 0 ends every back-off immediately. */
export const openSecretWorld = ({ env, prepare, ...options }: WorldOptions = {}): Promise<World> =>
  openWorld({
    ready: false,
    random: () => 0,
    ...options,
    simulator: { switches: { password: CANARIES.password }, ...options.simulator },
    prepare: async (sim) => ({
      ...SECRET_SETTINGS,
      ISALES_URL: sim.origin,
      ...env,
      ...(await prepare?.(sim)),
    }),
  })

const ADMIN_PAGES =
  '/ /?lang=zh /status.json /status.txt /metrics /livez /readyz /startupz /nowhere'.split(' ')

/** Returns the log and everything else that the program shows, except to iSales and CTI-OBS. */
export async function shown({ admin, lines }: Pick<World, 'admin' | 'lines'>): Promise<string> {
  const pages = await Promise.all(ADMIN_PAGES.map((page) => call(`${admin}${page}`)))
  return [JSON.stringify(lines), ...pages.map(whole)].join('\n')
}

export const whole = ({ status, rawHeaders, text }: CallResponse): string =>
  `${status} ${rawHeaders.join('\n')}\n${text}`
