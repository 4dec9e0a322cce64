import { expect, test } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { BASE_PATH } from '../../simulator/index.ts'
import { call } from '../support/call.ts'
import { listenerTls, makeCertificates } from '../support/certificates.ts'
import { openWorld, REQUIRE, type World } from '../support/world.ts'
import { openCtiObs, type CtiObs, type Edition } from './cti-obs.ts'

const INTERFACE = `${BASE_PATH}/business/interface`
const BATCH = 20
const made = makeCertificates()

const CHINESE: Environment = {
  ISALES_TOKEN_HEADER: 'Authentication: Bearer {refreshToken}',
}

async function openHttps(edition: Edition): Promise<{ world: World; obs: CtiObs }> {
  const world = await openWorld({
    simulator: { switches: { edition, singleSession: true } },
    env: { ...listenerTls(), ...REQUIRE, ...(edition === 'chinese' && CHINESE) },
  })
  expect(world.proxy).toMatch(/^https:/)
  const target = { port: world.port, tls: { ca: made.ca.cert } }
  return { world, obs: await openCtiObs(target, edition) }
}

/** Ends the account's token of either edition. */
function revoke(world: World): void {
  world.sim.revoke()
  if (world.sim.switches.edition === 'chinese') world.sim.revokeRefresh()
}

test.each<Edition>(['english', 'chinese'])(
  'a complete conversation in the %s edition, through HTTPS, while the real token is revoked twice',
  async (edition) => {
    const { world, obs } = await openHttps(edition)

    expect(await obs.login()).toMatchObject({ status: 200, result: 0 })
    expect(await obs.readInterface(INTERFACE)).toMatchObject({ status: 200, result: 0 })
    expect(await obs.call('getTask', {})).toMatchObject({ status: 200, result: 0 })

    revoke(world)
    const batch = await obs.call('getUserData', { serviceId: 12_345, batchCount: BATCH })
    expect(batch).toMatchObject({ status: 200, result: 0 })
    const numbers = (batch.data['userData'] as { uniqueId: string }[]).map((one) => one.uniqueId)
    expect(numbers).toHaveLength(BATCH)

    expect(await obs.refresh()).toMatchObject({ status: 200, result: 0 })
    for (const [index, uniqueId] of numbers.entries()) {
      if (index === BATCH / 2) revoke(world)
      const written = { uniqueId, serviceId: '12345' }
      expect(await obs.call('pushMidRlt', written)).toMatchObject({ status: 200, result: 0 })
      expect(await obs.call('pushCallOutRlt', written)).toMatchObject({ status: 200, result: 0 })
    }
    expect(await obs.call('getHoliDay', { holidayId: '1' })).toMatchObject({
      status: 200,
      data: { isHoliday: '1' },
    })

    // Every number was handed out once, and every result was written once.
    expect([...world.sim.handedOut().values()]).toEqual(numbers.map(() => 1))
    expect([...world.sim.results().entries()]).toEqual(
      numbers.map((uniqueId) => [uniqueId, { results: 1, midResults: 1 }]),
    )
    expect(await world.metric('isales_proxy_replays_total{outcome="recovered"}')).toBe(2)

    // CTI-OBS has received no token of iSales.
    const real = world.sim.issued()
    expect(real.length).toBeGreaterThanOrEqual(4)
    const { text: metrics } = await call(`${world.admin}/metrics`)
    for (const place of [obs.heard(), JSON.stringify(world.lines), metrics])
      expect(real.filter((token) => place.includes(token))).toEqual([])
    const tickets = Object.values(obs.tokens() ?? {})
    const seen = JSON.stringify(world.sim.requests())
    expect(tickets.filter((ticket) => seen.includes(ticket))).toEqual([])
  },
)
