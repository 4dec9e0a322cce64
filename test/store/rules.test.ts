import {
  assert,
  asyncProperty,
  array,
  constant,
  constantFrom,
  integer,
  oneof,
  record,
  type Arbitrary,
} from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  applyOperation,
  type StoreOperation,
  type StoreReply,
  type StoreState,
} from '../sharing/store-rules.ts'
import type { SessionStore } from '../../src/sharing/store.ts'
import { connect, FINGERPRINT, GUARD_GRACE, HOLD_GRACE, PROCESS_A, PROCESS_B } from './connect.ts'
import { ENGINES, startServer, type StoreServer } from './servers.ts'

type Step = StoreOperation | { readonly type: 'time-passes'; readonly ms: number }

const ids = constantFrom('', 'i'.repeat(22), 'j'.repeat(22), 'k'.repeat(22))
const leases = constantFrom(`${PROCESS_A}-1`, `${PROCESS_A}-2`, `${PROCESS_B}-1`)
const fingerprints = constantFrom(FINGERPRINT, 'g'.repeat(22))
/** Never a sum that ends with what passes: what a server takes for its own work decides nothing. */
const durations = constantFrom(3000, 20_000, 600_000)
const passing = constantFrom(1500, 11_500, 300_500, 700_500)
const one = <Type extends string>(type: Type): Arbitrary<Type> => constant(type)

const steps: Arbitrary<Step> = oneof(
  record({
    type: one('claim'),
    seen: ids,
    lease: leases,
    leaseMs: durations,
    operation: constantFrom<'login' | 'refresh'>('login', 'refresh'),
    fingerprint: fingerprints,
    holdGrace: constant(HOLD_GRACE),
    guardGrace: constant(GUARD_GRACE),
    refusals: integer({ min: 0, max: 4 }),
  }),
  record({ type: one('extend'), lease: leases, leaseMs: durations }),
  record({
    type: one('granted'),
    seen: ids,
    lease: leases,
    record: ids.filter((id) => id !== '').map((id) => `${id}.sealed`),
    ms: durations,
    fingerprint: fingerprints,
  }),
  record({
    type: one('failed'),
    lease: leases,
    fingerprint: fingerprints,
    failure: oneof(
      record({ kind: one('none') }),
      record({
        kind: one('hold'),
        text: constantFrom('timeout 1', 'unavailable 12'),
        ms: durations,
        grace: constant(HOLD_GRACE),
      }),
      record({
        kind: one('refused'),
        known: integer({ min: 0, max: 4 }),
        grace: constant(GUARD_GRACE),
        pauses: array(durations, { minLength: 1, maxLength: 4 }),
      }),
    ),
  }),
  record({ type: one('read') }),
  record({
    type: one('hold-off'),
    text: one('conflict 0'),
    ms: durations,
    grace: constant(HOLD_GRACE),
  }),
  record({ type: one('time-passes'), ms: passing }),
)

describe.each(ENGINES)('%s', (engine) => {
  it('does what the rules of the store say, whatever is asked in whatever order', async () => {
    const server = await startServer({ engine })
    const { store } = await connect(server.port)
    await assert(
      asyncProperty(array(steps, { minLength: 1, maxLength: 25 }), async (sequence) => {
        await server.cli('FLUSHALL')
        let state: StoreState = new Map()
        let now = 0
        for (const [index, drawn] of sequence.entries()) {
          // Two pauses of one length: which is the longer would depend on the milliseconds between them.
          const step = drawn.type === 'hold-off' ? { ...drawn, ms: drawn.ms + index * 1070 } : drawn
          if (step.type === 'time-passes') {
            now += step.ms
            await passTime(server, step.ms)
            continue
          }
          const specified = applyOperation(state, step, now)
          state = specified.state
          expectSame(await execute(store, step), specified.reply)
        }
        await expectSameKeys(server, state, now)
      }),
      { numRuns: process.env['CI'] === 'true' ? 150 : 60 },
    )
  })

  it('goes on after its scripts were flushed', async () => {
    const server = await startServer({ engine })
    const { store } = await connect(server.port)
    expect(await store.read()).toEqual({ record: '', pttl: -2 })
    await server.cli('SCRIPT', 'FLUSH')
    expect(await store.read()).toEqual({ record: '', pttl: -2 })
  })
})

function execute(store: SessionStore, step: StoreOperation): Promise<unknown> {
  switch (step.type) {
    case 'claim':
      return store.claim(step)
    case 'extend':
      return store.extend(step)
    case 'granted':
      return store.granted(step)
    case 'failed':
      return store.failed(step)
    case 'read':
      return store.read()
    case 'hold-off':
      return store.holdOff(step)
  }
}

/** Equal but for the milliseconds that the server took. */
const TOLERANCE = 490

function expectSame(reply: unknown, specified: StoreReply): void {
  expect(roundedAs(specified, reply)).toEqual(specified)
}

function roundedAs(specified: unknown, reply: unknown): unknown {
  if (typeof specified === 'number' && typeof reply === 'number') {
    return specified > 1000 && Math.abs(specified - reply) < TOLERANCE ? specified : reply
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

async function expectSameKeys(server: StoreServer, state: StoreState, now: number): Promise<void> {
  const text = await server.cli('EVAL', DUMP, '0')
  const dump = (text === '{}' ? [] : JSON.parse(text)) as [string, string, number][]
  const specified = [...state].filter(([, { endsAt }]) => endsAt > now)
  const expected = Object.fromEntries(
    specified.map(([key, { value, endsAt }]) => [
      `isales-auth-proxy:{test}:${key}`,
      { value, left: endsAt - now },
    ]),
  )
  const found = Object.fromEntries(dump.map(([key, value, left]) => [key, { value, left }]))
  expect(roundedAs(expected, found)).toEqual(expected)
}
