import { assert, asyncProperty, constantFrom, record, type Arbitrary } from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  BASE_PATH,
  createSimulator,
  INTERFACE_PATHS,
  type Simulator,
  type Switches,
} from '../../simulator/index.ts'
import { SWITCHES } from '../../simulator/switches.ts'
import { converse } from '../../src/cli/conversation.ts'
import type { Environment } from '../../src/config/load.ts'
import { openCtiObs, type Edition } from '../behaviour/cti-obs.ts'
import { leaks } from '../support/canaries.ts'
import { configOf } from '../support/config.ts'
import { openWorld } from '../support/world.ts'
import { accountOf, ioOf, openIsales } from './stand.ts'

// `check --live` finds the settings that suit an iSales, whatever its switches are.

const INTERFACE_PATH = `${BASE_PATH}/business/interface`
const ALLOWED = `${BASE_PATH}/`

const checkAt = (sim: Simulator, env: Environment = {}) =>
  converse(configOf({ ...accountOf(sim), ...env }), ioOf())

/** Values of the switches that a setting may have to meet, and of some that must not matter. */
const VALUES = {
  user: ['obs', '坐席'],
  password: ['simulated-password', '密 码"'],
  tokenLifetime: [300, '300', 'soon', null, -5],
  refreshLifetime: [3600, '3600', null],
  omit: [[], ['refreshToken'], ['tokenExpirationTime', 'refreshExpirationTime']],
  resultAs: ['number', 'string'],
  rejection: [401, 403, 400, 410, 500, 'result'],
  rejectionResult: [7, '100401'],
  rejectionBody: ['json', 'empty', 'html'],
  refreshRejection: [401, 404, 500, 'result'],
  edition: ['english', 'chinese'],
  acceptHeaders: [null, ['Authorization'], ['Authentication'], ['Authorization', 'Authentication']],
  businessToken: [null, 'token', 'refreshToken'],
  scheme: ['Bearer', ''],
  refreshHeader: [true, false],
  refreshBody: [true, false],
  rotate: [true, false],
  refreshEndsOld: [true, false],
  singleSession: [true, false],
  absoluteUrls: [true, false],
  callsUnder: [null, '/rest/isales/v2/openapi/obs', '/obs'],
  // A login that is packed although nobody asked for it is not understood.
  gzip: ['off', 'accepted'],
} as const satisfies Partial<Record<keyof Switches, readonly unknown[]>>

const switches: Arbitrary<Switches> = record(
  Object.fromEntries(
    Object.entries(VALUES).map(([name, values]) => [name, constantFrom<unknown[]>(...values)]),
  ),
)
  .map((drawn) => SWITCHES.parse(drawn))
  .filter(({ edition, businessToken, omit }) => {
    const carried = businessToken ?? (edition === 'chinese' ? 'refreshToken' : 'token')
    // Nobody can send a refresh token that was never granted.
    return carried === 'token' || !omit.includes('refreshToken')
  })

/** The proxy learns of a revoked token from such a rejection, whatever its body is: a 500 is a failed call. */
function isTold({ rejection }: Switches): boolean {
  return rejection !== 500
}

/** All that a CTI-OBS does, through a proxy with these settings and nothing else. */
async function conversation(
  changes: Switches,
  env: Readonly<Record<string, string>>,
  edition: Edition,
) {
  const world = await openWorld({
    simulator: { switches: changes },
    env: {
      ISALES_USER: changes.user,
      ISALES_PASSWORD: changes.password,
      ALLOWED_PATHS: ALLOWED,
      ...env,
    },
  })
  const { sim } = world
  const obs = await openCtiObs(world, edition)
  const works = async (response: Promise<{ status: number; result: unknown; data: object }>) => {
    const { status, result, data } = await response
    expect([status, String(result)]).toEqual([200, '0'])
    return data as Readonly<Record<string, unknown>>
  }
  await works(obs.login())
  const named = await works(obs.readInterface(INTERFACE_PATH))
  expect(JSON.stringify(named)).not.toContain(sim.origin)
  await works(obs.call('getTask', {}))
  // Where iSales names no such path, CTI-OBS cannot refresh.
  if (named['refreshToken'] !== undefined) await works(obs.refresh())
  if (isTold(changes)) sim.revoke()
  const { userData } = await works(obs.call('getUserData', { serviceId: 1, batchCount: 1 }))
  const [{ uniqueId = '' } = {}] = userData as readonly { readonly uniqueId?: string }[]
  await works(obs.call('pushMidRlt', { uniqueId, serviceId: '1' }))
  await works(obs.call('pushCallOutRlt', { uniqueId, serviceId: '1' }))
  await works(obs.call('pushTaskStatus', { serviceId: '1', status: 1 }))
  await works(obs.call('getHoliDay', { holidayId: '1' }))
  expect([...sim.results().values()]).toEqual([{ results: 1, midResults: 1 }])
  expect(sim.state()).toMatchObject({ wrongPasswords: 0, locked: false })
  obs.close()
  await world.stop()
}

describe('check --live', () => {
  test('names settings with which CTI-OBS works, whatever the switches of iSales are', async () => {
    const editions = constantFrom<Edition>('english', 'chinese')
    await assert(
      asyncProperty(switches, editions, async (changes, edition) => {
        const sim = await createSimulator({ switches: changes })
        const { verdict, settings, findings } = await checkAt(sim)
        const good = isTold(changes) ? 'check-works' : 'check-blind'
        const expected = Object.keys(settings).length > 0 ? 'check-differs' : good
        expect([verdict, sim.state().logins, sim.state().loginsRejected]).toEqual([expected, 1, 0])
        expect(leaks(JSON.stringify([findings, settings]), sim.issued())).toEqual([])
        const again = await checkAt(sim, settings)
        expect([again.verdict, again.settings]).toEqual([good, {}])
        await sim.close()
        await conversation(changes, settings, edition)
      }),
      { numRuns: 16 },
    )
  }, 60_000)

  test.each<readonly [Partial<Switches>, Readonly<Record<string, string>>]>([
    [{}, {}],
    [
      // A wrong header that gets 401 with a web page is no reason to stop.
      { edition: 'chinese', rejectionBody: 'html' },
      { ISALES_TOKEN_HEADER: 'Authentication: Bearer {refreshToken}' },
    ],
    [{ refreshBody: false }, { ISALES_REFRESH_HEADER_TOKEN: 'refreshToken' }],
    [{ scheme: '' }, { ISALES_TOKEN_HEADER: 'Authorization: {token}' }],
    [{ refreshHeader: false }, {}],
    [{ rejection: 400 }, { ISALES_REJECTED: '401,403,400' }],
    [
      { rejection: 'result', rejectionResult: '100401' },
      { ISALES_REJECTED: '401,403,result=100401' },
    ],
  ])('with %j it says %j', async (changes, settings) => {
    const { sim } = await openIsales({ switches: changes })
    expect((await checkAt(sim)).settings).toEqual(settings)
  })

  test('the paths that iSales names are taken over, and no others, also where a refresh does not work', async () => {
    const { sim } = await openIsales({ switches: { callsUnder: '/obs' } })
    sim.failRefresh({ status: 403, times: 'always' })
    const { verdict, settings, findings } = await checkAt(sim)
    expect(verdict).toBe('check-differs')
    const paths = Object.values(INTERFACE_PATHS).map((path) => path.replace(BASE_PATH, '/obs'))
    expect(settings).toEqual({
      ALLOWED_PATHS: [ALLOWED, ...paths].join(','),
      // CTI-OBS refreshes there, at the proxy.
      ISALES_REFRESH_PATH: '/obs/auth/refresh',
    })
    const said = findings.find(({ topic }) => topic === 'refresh')
    expect(said?.facts).toContainEqual(['status', 403])
    const off = await checkAt(sim, { ISALES_REFRESH_PATH: 'off' })
    expect(off.findings).toContainEqual({ topic: 'refresh', facts: [['outcome', 'off']] })
  })

  test.each<readonly [Partial<Switches>, string, string, string]>([
    [{ rejection: 500 }, 'check-blind', 'invalid', 'check-blind'],
    [{ rejection: 'result', rejectionResult: 0 }, 'check-blind', 'invalid', 'check-blind'],
    // No setting can hold it.
    [{ rejection: 'result', rejectionResult: 'a,b' }, 'check-blind', 'invalid', 'check-blind'],
    [{ tokenLifetime: 300_000 }, 'check-works', 'lifetime', 'IsalesProxyLifetimeDoubtful'],
    [{ acceptHeaders: ['X-Token'] }, 'check-calls', 'call', '["status",401]'],
    // Nobody asked for it to be packed.
    [{ gzip: 'always' }, 'check-no-login', 'login', 'not-isales'],
    // A gateway that slows the calls down is no rejection of the token.
    [{ rejection: 429 }, 'check-blind', 'invalid', 'check-blind'],
  ])('with %j the verdict is %s, and the finding on %s says %s', async (switches, ...expected) => {
    const { sim } = await openIsales({ switches })
    const { verdict, findings, settings } = await checkAt(sim)
    const [wanted, wantedTopic, said] = expected
    const found = findings.find(({ topic }) => topic === wantedTopic)
    expect([verdict, settings]).toEqual([wanted, {}])
    expect(JSON.stringify(found)).toContain(said)
  })

  test('an iSales whose URLs name another host is to be called there', async () => {
    const { sim } = await openIsales({ switches: { absoluteUrls: true } })
    const { port } = new URL(sim.origin)
    const given = { ISALES_URL: `http://localhost:${port}` }
    const { verdict, settings } = await checkAt(sim, given)
    expect([verdict, settings]).toEqual(['check-differs', { ISALES_URL: sim.origin }])
  })
})
