import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test, vi } from 'vitest'
import type { Simulator } from '../../simulator/index.ts'
import { builtProgram } from '../cli/program.ts'
import { simulate } from '../simulator/caller.ts'
import { openTimedWorld } from './session-world.ts'
import { call } from '../support/call.ts'
import { until } from '../support/until.ts'
import { temporaryDirectory } from '../support/temporary.ts'

vi.setConfig({ testTimeout: 60_000 })

const start = builtProgram()

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A world with a wrong password, whose iSales locks the account. */
function openWrong(env: Record<string, string> = {}, prepare?: (sim: Simulator) => void) {
  return openTimedWorld({
    ready: false,
    env: { ISALES_PASSWORD: 'wrong', ...env },
    ...(prepare === undefined ? {} : { prepare }),
  })
}

test('a wrong password for 4 h does not lock an account that 5 wrong passwords lock', async () => {
  const world = await openWrong()

  await world.pass(4 * HOUR)

  expect(world.sim.state()).toMatchObject({ wrongPasswords: 4, locked: false })
})

const always = { times: 'always' } as const
const GATEWAY = '{"timestamp":"2026-03-01T12:00:00Z","status":403,"error":"Forbidden"}'
const ROWS: readonly (readonly [string, number, (sim: Simulator) => void])[] = [
  ['a 500 in the shape of iSales', 4, (sim) => sim.set({ loginRejection: 500 })],
  [
    'a 403 with a JSON of a gateway',
    4,
    (sim) => sim.failLogin({ status: 403, body: GATEWAY, ...always }),
  ],
  ['a 403 with a page', 4, (sim) => sim.failLogin({ status: 403, body: '<html>', ...always })],
  ['a 200 without a result', 4, (sim) => sim.answerLogin({ body: {}, ...always })],
  ['a lost connection', 4, (sim) => sim.reset({ operation: 'login', ...always })],
]

test.each(ROWS)(
  'a wrong password that gets %s costs at most %i logins in 15 min',
  async (...row) => {
    const [, most, prepare] = row
    const world = await openWrong({}, prepare)

    await world.pass(15 * MINUTE)

    expect(world.sim.state().loginAttempts).toBeLessThanOrEqual(most)
    expect(world.sim.state().loginAttempts).toBeGreaterThan(2)
  },
)

test('a wrong password that never gets a response costs at most 4 logins in 15 min', async () => {
  const world = await openWrong({ ISALES_LOGIN_TIMEOUT: '100ms' }, (sim) =>
    sim.hang({ operation: 'login', ...always }),
  )

  await world.pass(15 * MINUTE)

  expect(world.sim.state().loginAttempts).toBeLessThanOrEqual(4)
})

/** Logins in so many runs of 10 s, one after the other. */
async function restart(runs: number, env: Record<string, string>): Promise<number> {
  // The date goes on over the restarts.
  let date = Date.parse('2026-03-01T12:00:00Z')
  let attempts = 0
  for (let run = 0; run < runs; run += 1) {
    const world = await openTimedWorld({
      ready: false,
      env: { ISALES_PASSWORD: 'wrong', ...env },
      wallClock: () => date,
    })
    // The login has begun, or is deferred.
    await until(() => world.events.length > 0)
    await world.settled()
    for (let half = 0; half < 2; half += 1) {
      await world.pass(4999)
      date += 5000
      await world.pass(1)
      await until(async () => {
        const { json } = await call(`${world.admin}/status.json`)
        return (json['renewal'] as { exchange: unknown }).exchange === null
      })
    }
    attempts += world.sim.state().loginAttempts
    await world.stop()
  }
  return attempts
}

test('a restart each 10 s for 4 min costs 3 logins with STATE_DIR', async () => {
  expect(await restart(24, { STATE_DIR: temporaryDirectory() })).toBe(3)
})

test('a restart that lost its state costs one login with the one attempt that the chart sets', async () => {
  expect(await restart(6, { LOGIN_REJECTED_ATTEMPTS: '1' })).toBe(6)
})

test('5 replicas that do not share, with the one attempt each that the chart sets, cost 5 logins in 20 s', async () => {
  const env = { LOGIN_REJECTED_ATTEMPTS: '1' }
  const first = await openWrong(env)
  const others = await Promise.all(
    Array.from({ length: 4 }, () => openWrong({ ...env, ISALES_URL: first.sim.origin })),
  )

  for (const world of [first, ...others]) await world.pass(20_000)

  expect(first.sim.state().loginAttempts).toBe(5)
})

test('the 407 of the egress proxy costs 6 connections in 15 min, and the log names the egress proxy', async () => {
  let connects = 0
  const egress = createServer().on('connect', (_, socket) => {
    connects += 1
    socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')
  })
  await new Promise<void>((resolve) => {
    egress.listen(0, '127.0.0.1', resolve)
  })
  const { port } = egress.address() as AddressInfo
  const world = await openTimedWorld({
    ready: false,
    env: {
      ISALES_URL: 'https://isales.example',
      HTTPS_PROXY: `http://user:wrong@127.0.0.1:${port}`,
    },
  })

  await world.pass(15 * MINUTE - 1)
  egress.close()

  expect(connects).toBe(6)
  expect(world.lines.find(({ event }) => event === 'login-failed')).toMatchObject({
    detail: 'ERR_EGRESS_PROXY_AUTH',
  })
})

test('an ill iSales after the password had worked for hours is left alone by no guard', async () => {
  const world = await openTimedWorld({ env: { LOGIN_REJECTED_ATTEMPTS: '1' } })
  world.sim.revoke()
  const ill = { status: 500, body: '{"result":500}', ...always }
  world.sim.failLogin(ill)
  world.sim.failRefresh(ill)
  await world.pass(240_000)
  await world.pass(15_000)
  expect(await world.metric('isales_proxy_auth_backoff_state{state="guarded"}')).toBe(0)
  world.sim.clear()
  await world.pass(20_000)
  expect((await world.tasks()).status).toBe(200)
})

test('killed while iSales thinks, a wrong password costs one login in 5 s, in however many starts', async () => {
  const { sim } = await simulate()
  sim.slow({ operation: 'login', ms: 1500, times: 'always' })
  const env = {
    ISALES_URL: sim.origin,
    ISALES_USER: sim.switches.user,
    ISALES_PASSWORD: 'wrong',
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    STATE_DIR: temporaryDirectory(),
    LOG_LEVEL: 'debug',
  }
  const begun = performance.now()
  for (let run = 0; run < 4; run += 1) {
    const proxy = start([], env)
    await Promise.race([proxy.line('token-request-held'), proxy.line('exchange-started')])
    proxy.process.kill('SIGKILL')
    await proxy.ended
  }
  const spent = performance.now() - begun
  expect(sim.state().loginAttempts).toBeLessThanOrEqual(spent < 5000 ? 1 : 3)
})
