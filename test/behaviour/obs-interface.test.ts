import { expect, test } from 'vitest'
import { BASE_PATH, INTERFACE_PATHS } from '../../simulator/index.ts'
import { exchangeRaw } from '../support/raw-client.ts'
import { openWorld } from '../support/world.ts'

const INTERFACE = `${BASE_PATH}/business/interface`
const BODY = JSON.stringify({ version: 311 })

test.each([
  ['true', 'http://localhost:8080'],
  // Nothing is rewritten unless it is asked for.
  ['false', undefined],
])('with OBS_REWRITE_INTERFACE=%s compressed URLs of iSales get %s', async (setting, origin) => {
  const world = await openWorld({
    simulator: { switches: { absoluteUrls: true, gzip: 'accepted' } },
    env: { OBS_REWRITE_INTERFACE: setting },
  })
  const headers = { Host: 'localhost:8080', ...(origin && { 'Accept-Encoding': 'gzip' }) }
  const { text, json } = await world.request(INTERFACE, { method: 'POST', headers, body: BODY })
  const expected = origin ?? world.sim.origin
  expect(json.resultData).toMatchObject({
    getTask: `${expected}${INTERFACE_PATHS.getTask}`,
    refreshToken: `${expected}${INTERFACE_PATHS.refreshToken}`,
  })
  expect(text.includes(world.sim.origin)).toBe(origin === undefined)
})

test('the address of an absolute form counts, not a Host that nobody has judged', async () => {
  const world = await openWorld({
    simulator: { switches: { absoluteUrls: true } },
    env: { OBS_REWRITE_INTERFACE: 'true' },
  })
  const { port } = new URL(world.proxy)
  const head = `POST http://localhost:${port}${INTERFACE} HTTP/1.1\r\nHost: evil.example`
  const { text } = await exchangeRaw(
    { port: Number(port) },
    `${head}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  )
  expect(text).toContain(`http://localhost:${port}${INTERFACE_PATHS.getTask}`)
  expect(text).not.toContain('evil.example')
})
