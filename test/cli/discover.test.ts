import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { createSimulator, type SimulatorOptions, type Switches } from '../../simulator/index.ts'
import { leaks } from '../support/canaries.ts'
import { runHere } from './stand.ts'

async function discoverAt(
  switches: Partial<Switches>,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  const options: SimulatorOptions = { switches: { keepAlive: 100, ...switches } }
  const sim = await createSimulator(options)
  const ran = await runHere(['discover', ...args], {
    env: {
      ISALES_URL: sim.origin,
      ISALES_USER: sim.switches.user,
      ISALES_PASSWORD: sim.switches.password,
      ...env,
    },
  })
  await sim.close()
  expect(leaks(ran.stdout + ran.stderr, [...sim.issued(), sim.switches.password])).toEqual([])
  return { ...ran, settings: ran.stdout.split('\n').filter((line) => !/^(?:#|$)/.test(line)) }
}

describe.concurrent('discover', () => {
  it.each<readonly [Partial<Switches>, readonly string[]]>([
    [{}, []],
    [
      { edition: 'chinese' },
      ['ISALES_TOKEN_HEADERS=Authentication', 'ISALES_TOKEN_FIELD=refreshToken'],
    ],
    [{ scheme: '' }, ['ISALES_TOKEN_SCHEME=']],
    [{ acceptHeaders: ['Authentication'] }, ['ISALES_TOKEN_HEADERS=Authentication']],
    [{ rejection: 'result', rejectionResult: 100_401 }, ['ISALES_REJECTED_RESULTS=100401']],
    [{ rejection: 410 }, ['ISALES_REJECTED_STATUSES=401,403,410']],
    [{ omit: ['refreshToken'] }, ['ISALES_REFRESH_PATH=off']],
    [{ absoluteUrls: true }, ['OBS_REWRITE_INTERFACE=true']],
  ])('prints what differs from the defaults for an iSales with %j', async (switches, settings) => {
    const ran = await discoverAt(switches)
    expect([ran.code, ran.settings]).toEqual([0, settings])
    expect(ran.stdout).toMatch(/^# login +works/)
    expect(ran.stdout).toMatch(/# keep-alive +an idle connection is closed after \d+\.\d s/)
    expect(ran.stderr).toBe('The whole conversation works with these settings.\n')
  })

  it('prints chart values and JSON', async () => {
    const values = await discoverAt({ scheme: '' }, ['--output', 'values'])
    expect(parse(values.stdout)).toEqual({ settings: { ISALES_TOKEN_SCHEME: '' } })
    const json = await discoverAt({ scheme: '' }, ['--output', 'json'])
    expect(JSON.parse(json.stdout)).toMatchObject({
      verdict: 'works',
      settings: { ISALES_TOKEN_SCHEME: '' },
    })
    expect((await discoverAt({}, ['--output', 'xml'])).code).toBe(2)
  })

  it('ends with 3 when the credentials are refused, and with 4 when there is no login', async () => {
    const refused = await discoverAt({}, [], { ISALES_PASSWORD: 'another' })
    expect([refused.code, refused.settings]).toEqual([3, []])
    expect(refused.stderr).toContain('One attempt was spent')
    expect((await discoverAt({}, [], { ISALES_URL: 'http://127.0.0.1:1' })).code).toBe(4)
  })
})
