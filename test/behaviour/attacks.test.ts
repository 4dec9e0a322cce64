// Guarantee 6, as time: clients without a ticket that make the proxy work. Each attacker is a process of its own, and the
// bounds are relative to the same calls without it.
import { expect, test } from 'vitest'
import { INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import { builtProgram } from '../cli/program.ts'
import { attack, pacedCalls } from '../support/attack.ts'
import { call } from '../support/call.ts'
import { listenerTls, makeCertificates } from '../support/certificates.ts'
import { connectRaw, exchangeRaw, requestText } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { ACCOUNT, REQUIRE } from '../support/world.ts'

const { serve } = builtProgram()
const made = makeCertificates()
const TRUSTING = { ca: made.ca.cert }
const post = (path: string, fields: readonly string[], body: string): string =>
  requestText(`POST ${path} HTTP/1.1`, ['Host: localhost', ...fields], body)
const TASKS = post(INTERFACE_PATHS.getTask, [], '{}')

const FLOOD = ['pipelined-flood', 'proxy'] as const
const CHUNKS = ['refused-chunks', 'proxy'] as const
test.each([
  ['with a ticket', REQUIRE, [FLOOD, CHUNKS, ['refused-chunks', 'admin']]],
  ['with a ticket, over TLS', { ...REQUIRE, ...listenerTls() }, [FLOOD, CHUNKS]],
  ['without a ticket', {}, [['accepted-chunks', 'proxy']]],
] as const)(
  '8 connections of an attacker slow no call %s down, and count as no call',
  async (_, env, attacks) => {
    const world = await serve(env)
    const tls = 'LISTEN_TLS_KEY_FILE' in env ? 'tls' : undefined
    const target = { port: world.port, ...(tls && { tls: TRUSTING }) }
    const login = await exchangeRaw(target, post(LOGIN_PATH, [], JSON.stringify(ACCOUNT)))
    const { resultData } = JSON.parse(login.text) as { resultData: { token: string } }
    const bearer = `Authorization: Bearer ${resultData.token}`
    const request = post(INTERFACE_PATHS.getTask, [bearer], '{}')
    const alone = await pacedCalls(target, request, 500)
    for (const [name, where] of attacks) {
      const stop = await attack(name, where === 'admin' ? world.adminPort : world.port, 8, tls)
      const attacked = await pacedCalls(target, request, 1000)
      stop()

      expect([name, where, ...attacked.statuses]).toEqual([name, where, 200])
      // Without the rules of the listener, half of the calls took 1.6 to 10 s.
      expect(attacked.median).toBeLessThan(20 * alone.median + 500)
      expect(attacked.max).toBeLessThan(20 * alone.max + 2000)
      const { state } = await world.status()
      // Read once: the count of stray ones still moves.
      const refused = 'isales_proxy_requests_total{outcome="refused",cause="pipelined"}'
      expect(await world.metric(refused)).toBe(0)
      expect(state === 'healthy' || name !== 'pipelined-flood').toBe(true)
    }
  },
  60_000,
)

test('clients that lose idle connections for want of descriptors lose no call, and the page names the limit', async () => {
  const world = await serve({}, { descriptors: 64 })
  const clients = []
  for (let n = 0; n < 40; n += 1) {
    const client = await connectRaw(world)
    await client.send(TASKS)
    expect((await client.read()).status).toBe(200)
    clients.push(client)
  }
  await until(async () => (await world.status()).state === 'degraded')
  expect(JSON.stringify(await world.status())).toContain('LimitNOFILE')
  expect(await world.metric('isales_proxy_requests_total{outcome="refused"}')).toBe(0)
})

test('with few descriptors left, idle connections keep no call and no probe out, go before one that had an answered call, and are not lost calls', async () => {
  const world = await serve({}, { descriptors: 64 })
  const client = await connectRaw(world)
  await client.send(TASKS)
  await client.read()
  for (let n = 0; n < 40; n += 1) await connectRaw(world)
  await client.send(TASKS)
  expect((await client.read()).status).toBe(200)
  for (let n = 0; n < 20; n += 1) expect((await exchangeRaw(world, TASKS)).status).toBe(200)
  expect((await call(`${world.admin}/livez`)).status).toBe(200)
  expect(await world.metric('isales_proxy_requests_total{outcome="refused"}')).toBe(0)
})

test('1,000 clients connect at once to a program that is busy', async () => {
  const { port, program } = await serve({})
  program.process.kill('SIGSTOP')
  await Promise.all(Array.from({ length: 1000 }, () => connectRaw({ port })))
  program.process.kill('SIGCONT')
  expect((await exchangeRaw({ port }, TASKS)).status).toBe(200)
}, 30_000)

// Half-sent client certificates are in test/deploy/image.test.ts.
test('256 TLS handshakes at a time are possible', async () => {
  const { port } = await serve(listenerTls())
  const target = { port, tls: TRUSTING }
  await Promise.all(Array.from({ length: 256 }, () => connectRaw(target)))
  expect((await exchangeRaw(target, TASKS)).status).toBe(200)
}, 60_000)
