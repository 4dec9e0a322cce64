import { expect, test } from 'vitest'
import { BASE_PATH, INTERFACE_PATHS } from '../../simulator/index.ts'
import { exchangeRaw } from '../support/raw-client.ts'
import { openWorld } from '../support/world.ts'

const INTERFACE = `${BASE_PATH}/business/interface`
const BODY = JSON.stringify({ version: 311 })

test.each(['gzip', 'identity'])(
  "iSales's URLs in %s are replaced by the proxy's",
  async (coding) => {
    const world = await openWorld({
      simulator: { switches: { absoluteUrls: true, gzip: 'accepted' } },
    })
    const headers = { Host: 'localhost:8080', 'Accept-Encoding': coding }
    const { text, json } = await world.request(INTERFACE, { method: 'POST', headers, body: BODY })
    const expected = 'http://localhost:8080'
    expect(json.resultData).toMatchObject({
      getTask: `${expected}${INTERFACE_PATHS.getTask}`,
      refreshToken: `${expected}${INTERFACE_PATHS.refreshToken}`,
    })
    expect(text).not.toContain(world.sim.origin)
  },
)

test('the authority of an absolute form counts, not Host', async () => {
  const world = await openWorld({
    simulator: { switches: { absoluteUrls: true } },
  })
  const { port } = world
  const head = `POST http://localhost:${port}${INTERFACE} HTTP/1.1\r\nHost: evil.example`
  const { text } = await exchangeRaw(
    world,
    `${head}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  )
  expect(text).toContain(`http://localhost:${port}${INTERFACE_PATHS.getTask}`)
  expect(text).not.toContain('evil.example')
})
