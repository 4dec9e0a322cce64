import { expect, test } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { BASE_PATH, INTERFACE_PATHS, type Switches } from '../../simulator/index.ts'
import { exchangeRaw } from '../support/raw-client.ts'
import { openWorld } from '../support/world.ts'

const INTERFACE = `${BASE_PATH}/business/interface`
const REWRITE: Environment = { OBS_REWRITE_INTERFACE: 'true' }
const ACCEPTING = { 'Accept-Encoding': 'gzip', Host: 'localhost:8080' }

async function read(switches: Partial<Switches>, env: Environment) {
  const world = await openWorld({ simulator: { switches }, env })
  const response = await world.request(INTERFACE, {
    method: 'POST',
    headers: ACCEPTING,
    body: JSON.stringify({ version: 311 }),
  })
  return { world, response, paths: response.json.resultData }
}

test.each<[string, Partial<Switches>]>([
  ['plain', {}],
  ['compressed', { gzip: 'accepted' }],
])('URLs that name iSales get the address that the client used: %s', async (_name, switches) => {
  const { world, response, paths } = await read({ absoluteUrls: true, ...switches }, REWRITE)
  expect(paths?.['getTask']).toBe(`http://localhost:8080${INTERFACE_PATHS.getTask}`)
  expect(paths?.['refreshToken']).toBe(`http://localhost:8080${INTERFACE_PATHS.refreshToken}`)
  expect(response.text).not.toContain(world.sim.origin)
})

test('the address of an absolute form counts, not a Host that nobody has judged', async () => {
  const world = await openWorld({ simulator: { switches: { absoluteUrls: true } }, env: REWRITE })
  const body = JSON.stringify({ version: 311 })
  const { port } = new URL(world.proxy)
  const response = await exchangeRaw(
    { port: Number(port) },
    [
      `POST http://localhost:${port}${INTERFACE} HTTP/1.1`,
      'Host: evil.example',
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n'),
  )
  expect(response.text).toContain(`http://localhost:${port}${INTERFACE_PATHS.getTask}`)
  expect(response.text).not.toContain('evil.example')
})

test('paths are left as they are', async () => {
  const { paths } = await read({}, REWRITE)
  expect(paths).toEqual({ version: 310, ...INTERFACE_PATHS })
})

test('nothing is rewritten unless it is asked for', async () => {
  const { world, paths } = await read({ absoluteUrls: true }, {})
  expect(paths?.['getTask']).toBe(`${world.sim.origin}${INTERFACE_PATHS.getTask}`)
})
