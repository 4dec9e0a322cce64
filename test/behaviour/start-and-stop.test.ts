import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { startApp } from '../../src/server.ts'
import { gate, loginResponse, openStand, post } from '../proxy/stand.ts'
import { until } from '../support/until.ts'

test('a request that waits for the first login when the stop begins gets its response', async () => {
  const login = gate()
  const stand = await openStand({
    login: (n) => login.opened.then(() => loginResponse(n)),
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
  let revoked = 0
  const stand = await openStand({ revoked: () => revoked, env: { DRAIN_TIMEOUT: '5s' } })
  const client = await stand.connect()
  await client.send(post('half').slice(0, -2))
  await until(async () => (await stand.metric('requests_in_flight')) === 1)
  const stopped = stand.stop()
  await until(() => stand.log.some(({ event }) => event === 'draining'))
  revoked = 1
  await client.send('lf')
  expect(await client.read()).toMatchObject({ status: 200, text: 'ok' })
  expect(stand.logins()).toBe(2)
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
  const started = startApp({ config: loaded.config, version: 'test', log: () => undefined })
  await expect(started).rejects.toThrow('in use by another process')
  const probe = createServer().listen(port, '127.0.0.1')
  await once(probe, 'listening')
  probe.close()
  taken.close()
})
