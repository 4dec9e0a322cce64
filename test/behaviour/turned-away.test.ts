import { expect, test } from 'vitest'
import { REFUSALS } from '../../src/codes.ts'
import { INTERFACE_PATHS, LOGIN_PATH, REFRESH_PATH } from '../../simulator/index.ts'
import { openWorld, type World } from '../support/world.ts'
import { ACCOUNT, REQUIRE } from './cti-obs.ts'

const linesOf = (world: World, name: string) => world.lines.filter(({ event }) => event === name)

test('a refused request is logged with its reason, but not timed, and is in the access log without its query', async () => {
  const world = await openWorld({ env: { LOG_LEVEL: 'debug' } })

  const { status, json } = await world.request('/elsewhere?passwd=canary')
  const [code, detail] = [REFUSALS['other-path'][0], REFUSALS['other-path'][1]]
  expect([status, json]).toMatchObject([403, { code, detail, sent: 'no' }])

  const refused = { reason: 'other-path', code, count: 1, requestId: json['requestId'] }
  expect(linesOf(world, 'client-refused')).toMatchObject([refused])
  expect(await world.metric('isales_proxy_request_duration_seconds_count')).toBe(0)
  expect(linesOf(world, 'access')).toMatchObject([
    {
      method: 'GET',
      path: '/elsewhere',
      status: 403,
      code: 'not-allowed',
      outcome: 'stray',
      cause: 'other-path',
    },
  ])
})

test('logins and refreshes of CTI-OBS are logged with their outcome', async () => {
  const world = await openWorld({ env: REQUIRE })
  const { post } = world
  const login = await post(LOGIN_PATH, ACCOUNT)
  const refreshToken = login.json.resultData?.['refreshToken']
  await post(LOGIN_PATH, { ...ACCOUNT, passwd: 'wrong' })
  await post(LOGIN_PATH, {})
  await post(REFRESH_PATH, { refreshToken })
  await post(REFRESH_PATH, { refreshToken: 'of an earlier process' })

  const logged = world.lines.filter(({ event }) => event.startsWith('obs-'))
  expect(
    logged.map(({ level, event, operation, reason }) => [level, event, operation, reason]),
  ).toEqual([
    ['info', 'obs-logged-in', 'login', 'success'],
    ['warn', 'obs-login-refused', 'login', 'rejected'],
    ['warn', 'obs-login-refused', 'login', 'malformed'],
    ['info', 'obs-logged-in', 'refresh', 'success'],
    ['warn', 'obs-login-refused', 'refresh', 'rejected'],
  ])
})

test('a failed request is logged with its method, path, durations and attempts, and never its query', async () => {
  const world = await openWorld({ env: { LOG_LEVEL: 'debug' } })
  world.sim.reset({ operation: 'business' })

  const { json } = await world.post(`${INTERFACE_PATHS.getTask}?passwd=canary`, {})

  expect(linesOf(world, 'access')).toEqual([
    {
      level: 'debug',
      event: 'access',
      method: 'POST',
      path: INTERFACE_PATHS.getTask,
      status: 502,
      outcome: 'failed',
      cause: 'plain-refused',
      code: 'upstream-broken',
      requestId: json['requestId'],
      durationMs: expect.any(Number),
      upstreamMs: undefined,
      attempts: 1,
    },
  ])
})
