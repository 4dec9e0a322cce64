import { expect, test } from 'vitest'
import { REFUSALS } from '../../src/codes.ts'
import { INTERFACE_PATHS } from '../../simulator/index.ts'
import { openWorld, type World } from '../support/world.ts'

const linesOf = (world: World, name: string) => world.lines.filter(({ event }) => event === name)

test('a refused request is logged with its reason, but not timed, and is in the access log without its query', async () => {
  const world = await openWorld({ env: { LOG_LEVEL: 'debug' } })

  const { status, json } = await world.request('/elsewhere?passwd=canary')
  const { problem: code, detail } = REFUSALS['other-path']
  expect([status, json]).toMatchObject([403, { code, detail, sent: 'no' }])

  const refused = { reason: 'other-path', code, count: 1, requestId: json['requestId'] }
  expect(linesOf(world, 'client-refused')).toMatchObject([refused])
  expect(await world.metric('isales_proxy_request_duration_seconds_count')).toBe(0)
  const access = { method: 'GET', path: '/elsewhere', status: 403, code, outcome: 'stray' }
  expect(linesOf(world, 'access')).toMatchObject([access])
})

test('a failed request is logged with its method, path, durations and attempts, and never its query', async () => {
  const world = await openWorld({ env: { LOG_LEVEL: 'debug' } })
  world.sim.reset({ operation: 'business' })

  const { json } = await world.post(`${INTERFACE_PATHS.getTask}?passwd=canary`, {})

  const [line, ...more] = linesOf(world, 'access')
  expect(line).toMatchObject({
    method: 'POST',
    path: INTERFACE_PATHS.getTask,
    status: 502,
    outcome: 'failed',
    cause: 'tls-expected',
    code: 'upstream-broken',
    requestId: json['requestId'],
    durationMs: expect.any(Number),
    attempts: 1,
  })
  expect(JSON.stringify([line, ...more])).not.toContain('canary')
  expect(more).toEqual([])
})
