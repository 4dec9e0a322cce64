import {
  array,
  assert,
  asyncProperty,
  boolean,
  constant,
  constantFrom,
  oneof,
  record,
  type Arbitrary,
} from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Claim, Put } from '../../src/sharing/cell.ts'
import { LuaCell } from '../simulation/lua.ts'
import { until } from '../support/until.ts'
import { BOOK, claimBy, connect, KEYS, MINE, PROCESS_A, PROCESS_B } from './connect.ts'
import { ENGINES, startServer, type StoreServer } from './servers.ts'

interface Step {
  readonly does: 'claim' | 'put' | 'read' | 'time-passes'
  readonly asked: unknown
}

const ids = constantFrom('', 'i'.repeat(16), 'j'.repeat(16), 'k'.repeat(16))
const lease = constantFrom(`${PROCESS_A}-1`, `${PROCESS_A}-2`, `${PROCESS_B}-1`)
const book = constantFrom(BOOK, 'book:g')
/** Nothing ends when time has passed, but a second before or after: what a server takes for its own work decides nothing. */
const durations = constantFrom(3000, 21_000, 601_000)
const passing = constantFrom(2000, 2000, 2000, 12_000, 300_000, 700_000)
const claim: Arbitrary<Claim> = record({ seen: ids, lease, book })
const put: Arbitrary<Put> = record({
  lease: oneof(lease, constant('')),
  key: oneof(constant('token'), book),
  value: ids.map((id) => id && `${id}.sealed`),
  ms: durations,
  release: boolean(),
})
const step = (does: Step['does'], asked: Arbitrary<unknown>): Arbitrary<Step> =>
  record({ does: constant(does), asked })
const steps: Arbitrary<Step> = oneof(
  step('claim', claim),
  step('put', put),
  step('read', constant(undefined)),
  step('time-passes', passing),
)

describe.each(ENGINES)('%s', (engine) => {
  it('does what the simulation takes its scripts to do, whatever is asked in whatever order', async () => {
    const server = await startServer({ engine })
    const { cell } = await connect(server.port)
    await assert(
      asyncProperty(array(steps, { maxLength: 25, size: 'max' }), async (sequence) => {
        await server.cli('FLUSHALL')
        let now = 0
        const rules = new LuaCell(() => now)
        for (const { does, asked } of sequence) {
          if (does === 'time-passes') {
            now += Number(asked)
            await passTime(server, Number(asked))
            continue
          }
          const specified: unknown = Reflect.apply(rules[does], rules, [asked])
          expectSame(await Reflect.apply(cell[does], cell, [asked]), specified)
        }
        await expectSameKeys(server, rules, now)
      }),
      { numRuns: process.env['CI'] === 'true' ? 150 : 60 },
    )
  })

  it.each([
    ['what somebody else wrote for ever', 'lease', 'rubbish', 0],
    ['what somebody else wrote', 'lease', 'rubbish', 600_000],
  ])('does not wait for %s', async (_what, key, value, ms) => {
    const server = await startServer({ engine })
    const { cell } = await connect(server.port)
    await server.cli('SET', `${KEYS}${key}`, value, ...(ms === 0 ? [] : ['PX', String(ms)]))
    expect(await cell.claim(claimBy(PROCESS_A))).toMatchObject({ type: 'mine' })
  })

  it('replaces a record that somebody else wrote for longer than can be counted', async () => {
    const server = await startServer({ engine })
    const { cell } = await connect(server.port)
    await server.cli('SET', `${KEYS}token`, 'rubbish', 'PX', '9000000000000000000')
    expect(await cell.claim(claimBy(PROCESS_A))).toMatchObject({ value: 'rubbish' })
    expect(await cell.claim(claimBy(PROCESS_A, 'rubbish'))).toEqual(MINE)
  })

  it('counts and asks no replica that uses another database, which shares nothing', async () => {
    const server = await startServer({ engine })
    const { cell, looks } = await connect(server.port)
    const SESSION_STORE_URL = `valkey://127.0.0.1:${server.port}/1`
    const other = await connect(server.port, { SESSION_STORE_URL })
    expect(await Promise.all([cell.replicas(), other.cell.replicas()])).toEqual([1, 1])
    const before = looks()
    await other.cell.publish()
    await cell.publish()
    await until(() => looks() > before)
    expect(looks()).toBe(before + 1)
  })

  it('goes on after its scripts were flushed', async () => {
    const server = await startServer({ engine })
    const { cell } = await connect(server.port)
    const nothing = { ...MINE, type: 'late' }
    expect(await cell.read()).toEqual(nothing)
    await server.cli('SCRIPT', 'FLUSH')
    expect(await cell.read()).toEqual(nothing)
  })
})

/** Equal but for the milliseconds that the server took. */
const TOLERANCE = 900

function expectSame(reply: unknown, specified: unknown): void {
  expect(roundedAs(specified, reply)).toEqual(specified)
}

function roundedAs(specified: unknown, reply: unknown): unknown {
  if (typeof specified === 'number' && typeof reply === 'number') {
    return specified > TOLERANCE && Math.abs(specified - reply) < TOLERANCE ? specified : reply
  }
  if (typeof specified !== 'object' || specified === null) return reply
  if (typeof reply !== 'object' || reply === null) return reply
  const expected: Readonly<Record<string, unknown>> = { ...specified }
  return Object.fromEntries(
    Object.entries(reply).map(([key, value]) => [key, roundedAs(expected[key], value)]),
  )
}

const SHORTEN = `
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key) - tonumber(ARGV[1])
  if left <= 0 then redis.call('DEL', key) else redis.call('PEXPIRE', key, left) end
end`

/** The server's clock is nobody's to move: every key gets that much shorter. */
async function passTime(server: StoreServer, ms: number): Promise<void> {
  await server.cli('EVAL', SHORTEN, '0', String(ms))
}

const DUMP = `
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  table.insert(all, {key, redis.call('GET', key), redis.call('PTTL', key)})
end
return cjson.encode(all)`

async function expectSameKeys(server: StoreServer, rules: LuaCell, now: number): Promise<void> {
  const text = await server.cli('EVAL', DUMP, '0')
  const dump = (text === '{}' ? [] : JSON.parse(text)) as [string, string, number][]
  const expected = [...rules.keys]
    .filter(([, { endsAt }]) => endsAt > now)
    .map(([key, { value, endsAt }]) => [`${KEYS}${key}`, { value, left: endsAt - now }] as const)
  const found = Object.fromEntries(dump.map(([key, value, left]) => [key, { value, left }]))
  expectSame(found, Object.fromEntries(expected))
}
