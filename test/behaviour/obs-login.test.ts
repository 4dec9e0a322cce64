import { expect, onTestFinished, test } from 'vitest'
import { LOGIN_PATH, REFRESH_PATH } from '../../simulator/index.ts'
import { connectRaw } from '../support/raw-client.ts'
import { ACCOUNT, openWorld, REQUIRE } from '../support/world.ts'

test('a missing, forged or foreign ticket gets 401 in the published shape, and no call reaches iSales', async () => {
  const world = await openWorld({ env: REQUIRE })
  const other = await openWorld({ env: { ...REQUIRE, OBS_PASSWORD: 'another' } })
  const foreign = await other.logIn('another')
  const { token } = await world.logIn()
  for (const value of [
    undefined,
    token.replace(/^.{4}/, 'AAAA'),
    foreign.token,
    world.sim.issued()[0],
  ]) {
    const refused = await world.tasks(value)
    expect(refused).toMatchObject({ status: 401, json: { result: 401, resultData: {} } })
    expect(refused.header('www-authenticate')).toBe('Bearer')
    expect(refused.header('connection')).toBe('close')
    expect(refused.header('x-request-id')).toEqual(expect.any(String))
  }
  expect(world.sim.requests()).toEqual([])
})

const CHUNKED = 'Transfer-Encoding: chunked'
const chunkOf = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`

test('login and refresh may arrive in chunks, and may expect 100', async () => {
  const world = await openWorld({ env: REQUIRE })
  const client = await connectRaw(world)
  const send = async (path: string, body: string) => {
    const fields = `Host: localhost\r\nExpect: 100-continue\r\n${CHUNKED}`
    await client.send(`POST ${path} HTTP/1.1\r\n${fields}\r\n\r\n`)
    expect((await client.readInterim()).status).toBe(100)
    const parts = body.split('').map(chunkOf)
    await client.send(parts.slice(0, 5).join(''))
    await client.send(`${parts.slice(5).join('')}0\r\n\r\n`)
    const { status, text } = await client.read()
    expect(status).toBe(200)
    return (JSON.parse(text) as { resultData: { refreshToken: string } }).resultData
  }
  const { refreshToken } = await send(LOGIN_PATH, JSON.stringify(ACCOUNT))
  await send(REFRESH_PATH, JSON.stringify({ refreshToken }))
})

test.each([
  ['a login over 2 KiB', 400, LOGIN_PATH, 'Content-Length: 2049', ''],
  ['a login over 2 KiB in chunks', 400, LOGIN_PATH, CHUNKED, chunkOf('x'.repeat(2049))],
  ['a refresh that continues in chunks', 403, REFRESH_PATH, CHUNKED, chunkOf(' ').repeat(3000)],
])('%s gets a %s before its body ends', async (...row) => {
  const [, status, path, field, begun] = row
  const world = await openWorld({ env: REQUIRE })
  const client = await connectRaw(world)
  await client.send(`POST ${path} HTTP/1.1\r\nHost: localhost\r\n${field}\r\n\r\n${begun}`)
  const response = await client.read()
  // The rest is dropped.
  await client.send('x'.repeat(100_000))
  expect([response.status, response.header('connection')]).toEqual([status, 'close'])
  expect(JSON.parse(response.text)).toEqual({ result: status, resultData: {} })
  expect((await client.closed()).left.length).toBe(0)
  const logged = { event: 'obs-login-refused', reason: status === 403 ? 'rejected' : 'malformed' }
  expect(world.lines).toContainEqual(expect.objectContaining(logged))
})

test('a login whose body has not ended within the deadline of a call gets a 408', async () => {
  const world = await openWorld({ env: { ...REQUIRE, CLIENT_DEADLINE: '300ms' } })
  const client = await connectRaw(world)
  await client.send(
    `POST ${LOGIN_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n`,
  )
  const drip = setInterval(() => void client.send(' '), 50)
  onTestFinished(() => clearInterval(drip))
  expect((await client.read()).status).toBe(408)
  clearInterval(drip)
})
