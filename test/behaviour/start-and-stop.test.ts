import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { createApp } from '../../src/server.ts'
import { gate, loginAnswer, openStand, post } from '../proxy/stand.ts'
import { answerBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'

test('a request that waits for the first login when the stop begins gets its response', async () => {
  const login = gate()
  const stand = await openStand({
    login: (n) => login.opened.then(() => loginAnswer(n)),
    authenticated: false,
    env: { DRAIN_TIMEOUT: '5s' },
  })
  const client = await stand.connect()
  await client.send(post('x'))
  await until(async () => (await stand.metric('token_waiters')) === 1)
  const stopped = stand.stop()
  await until(() => stand.log.some(({ event }) => event === 'draining'))
  login.open()
  expect(await client.read()).toMatchObject({ status: 200, text: 'ok' })
  await stopped
})

test('a rejection during the drain is healed', async () => {
  const first = gate()
  let revoked = 0
  const stand = await openStand({
    revoked: () => revoked,
    answer: async () => {
      await first.opened
      return answerBytes('ok')
    },
    env: { DRAIN_TIMEOUT: '5s' },
  })
  const [open, late] = [await stand.connect(), await stand.connect()]
  await open.send(post('x'))
  await until(() => stand.business().length === 1)
  // The beginning of a request keeps its connection open in the drain.
  await late.send(post('y').slice(0, 20))
  const stopped = stand.stop()
  await until(() => stand.log.some(({ event }) => event === 'draining'))
  revoked = 1
  await late.send(post('y').slice(20))
  await until(() => stand.logins() === 2)
  first.open()
  expect(await late.read()).toMatchObject({ status: 200, text: 'ok' })
  expect(await open.read()).toMatchObject({ status: 200 })
  await stopped
})

test('when the admin port is taken, the proxy port is not open either', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  const loaded = loadConfig({
    ISALES_URL: 'http://127.0.0.1:1',
    ISALES_USER: 'obs',
    ISALES_PASSWORD: 'secret',
    LISTEN: `127.0.0.1:${port}`,
    ADMIN_LISTEN: `127.0.0.1:${(taken.address() as AddressInfo).port}`,
  })
  if (!loaded.ok) throw new Error('the configuration is wrong')
  const app = createApp({
    config: loaded.config,
    version: 'test',
    logger: { log: () => undefined, logAccess: () => undefined },
  })
  await expect(app.start()).rejects.toThrow('in use by another process')
  const probe = createServer().listen(port, '127.0.0.1')
  await once(probe, 'listening')
  probe.close()
  taken.close()
})
