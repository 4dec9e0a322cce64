import { assert, asyncProperty, boolean, constantFrom, record, type Arbitrary } from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createSimulator,
  INTERFACE_PATHS,
  LOGIN_PATH,
  REFRESH_PATH,
  type Simulator,
  type Switches,
} from '../../simulator/index.ts'
import { discover, type DiscoveryOptions } from '../../src/cli/discovery.ts'
import { Secret } from '../../src/config/secret.ts'
import type { Post } from '../../src/upstream/post.ts'
import { call } from '../support/call.ts'
import { leaks } from '../support/canaries.ts'
import { openWorld } from '../support/world.ts'

const INTERFACE_PATH = '/rest/isales/v1/openapi/obs/business/interface'

/** One POST by Node's own client. */
const postTo =
  (origin: string): Post =>
  async ({ path, headers, body }) => {
    const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1] ?? '']] : []))
    const response = await call(`${origin}${path}`, {
      method: 'POST',
      headers: Object.fromEntries(pairs) as Record<string, string>,
      body,
    })
    return { ok: true, status: response.status, body: response.text }
  }

function discoverAt(sim: Simulator, changes: Partial<DiscoveryOptions> = {}) {
  return discover({
    origin: sim.origin,
    user: sim.switches.user,
    password: new Secret(sim.switches.password),
    paths: { login: LOGIN_PATH, refresh: REFRESH_PATH, interface: INTERFACE_PATH },
    secondLogin: false,
    post: postTo(sim.origin),
    now: () => performance.now(),
    signal: new AbortController().signal,
    ...changes,
  })
}

/** Every switch that changes what a client must send or understand. */
const switches: Arbitrary<Partial<Switches>> = record({
  edition: constantFrom('english', 'chinese'),
  acceptHeaders: constantFrom(null, ['Authorization'], ['Authentication']),
  businessToken: constantFrom(null, 'token', 'refreshToken'),
  scheme: constantFrom('Bearer', ''),
  refreshHeader: boolean(),
  rotate: boolean(),
  refreshEndsOld: boolean(),
  singleSession: boolean(),
  resultAs: constantFrom('number', 'string'),
  rejection: constantFrom(401, 403, 400, 410, 'result'),
  rejectionResult: constantFrom(7, '100401'),
  refreshRejection: constantFrom(401, 403, 'result'),
  tokenLifetime: constantFrom(300, '300', 'soon', null),
  sameToken: constantFrom('off', 'extended', 'remaining'),
  absoluteUrls: boolean(),
  gzip: constantFrom('off', 'accepted'),
  omit: constantFrom([], ['refreshToken']),
} as const).filter(({ edition, businessToken, omit }) => {
  const carried = businessToken ?? (edition === 'chinese' ? 'refreshToken' : 'token')
  // Nobody can send a refresh token that was never granted.
  return carried === 'token' || omit.length === 0
}) as Arbitrary<Partial<Switches>>

describe('discover', () => {
  test('prints settings with which CTI-OBS works, whatever the switches of iSales are', async () => {
    await assert(
      asyncProperty(switches, async (changes) => {
        const sim = await createSimulator({ switches: changes })
        const { verdict, settings, findings } = await discoverAt(sim)
        expect([verdict, sim.state().logins, sim.state().loginsRejected]).toEqual(['works', 1, 0])
        expect(leaks(JSON.stringify(findings), sim.issued())).toEqual([])
        await sim.close()

        const world = await openWorld({ simulator: { switches: changes }, env: settings })
        expect((await world.tasks()).json.result).toSatisfy((result) => String(result) === '0')
        world.sim.revoke()
        const healed = await world.tasks()
        expect([healed.status, String(healed.json.result)]).toEqual([200, '0'])
        const answer = await world.request(INTERFACE_PATH, {
          method: 'POST',
          body: '{"version":311}',
        })
        expect(answer.text).not.toContain(world.sim.origin)
        await world.stop()
      }),
      { numRuns: 30 },
    )
  }, 60_000)

  test('with the defaults of the English edition nothing has to be set', async () => {
    const sim = await createSimulator()
    const { settings, verdict } = await discoverAt(sim)
    expect([verdict, settings]).toEqual(['works', {}])
    await sim.close()
  })

  test('a refusal of the credentials ends it after one attempt, and says what it cost', async () => {
    const sim = await createSimulator()
    const { verdict, findings } = await discoverAt(sim, { password: new Secret('wrong') })
    expect(verdict).toBe('refused')
    expect(findings.at(-1)?.evidence).toContain('one wrong attempt was spent')
    expect(sim.state()).toMatchObject({ loginAttempts: 1, loginsRejected: 1 })
    await sim.close()
  })

  test.each([
    [true, 'it ends the first token: one user allows one session only'],
    [false, 'the first token lives on: several replicas may share a user'],
  ])('a second login is tried only when asked for (single session: %s)', async (single, effect) => {
    const sim = await createSimulator({ switches: { singleSession: single } })
    await discoverAt(sim)
    expect(sim.state().logins).toBe(1)
    const { findings } = await discoverAt(sim, { secondLogin: true })
    expect(findings).toContainEqual({ topic: 'second login', evidence: effect })
    expect(sim.state().logins).toBe(3)
    await sim.close()
  })

  test('an iSales that accepts the token nowhere is told from one that cannot be reached', async () => {
    const sim = await createSimulator({ switches: { acceptHeaders: ['X-Token'] } })
    expect((await discoverAt(sim)).verdict).toBe('no-header')
    await sim.close()
    const post: Post = () =>
      Promise.resolve({ ok: false, failure: 'tls', written: false, code: 'CERT_HAS_EXPIRED' })
    const { verdict, findings } = await discoverAt(sim, { post })
    expect([verdict, findings[0]?.evidence]).toEqual([
      'unreachable',
      'no response (CERT_HAS_EXPIRED)',
    ])
  })

  test('the paths that iSales names are taken over', async () => {
    const sim = await createSimulator()
    const post: Post = async (request) => {
      const result = await postTo(sim.origin)({
        ...request,
        path: request.path.replace('/renamed', ''),
      })
      if (!result.ok || request.path !== INTERFACE_PATH) return result
      return { ...result, body: result.body?.replace(REFRESH_PATH, `/renamed${REFRESH_PATH}`) }
    }
    const { settings } = await discoverAt(sim, { post })
    expect(settings).toEqual({ ISALES_REFRESH_PATH: `/renamed${REFRESH_PATH}` })
    expect(INTERFACE_PATHS.refreshToken).toBe(REFRESH_PATH)
    await sim.close()
  })
})
