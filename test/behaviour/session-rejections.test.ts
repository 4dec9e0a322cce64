import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { INTERFACE_PATHS, type Simulator } from '../../simulator/index.ts'
import type { CallResponse } from '../support/call.ts'
import { connectRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { openTimedWorld, type TimedWorld } from './session-world.ts'

vi.setConfig({ testTimeout: 60_000 })

const PATH = INTERFACE_PATHS.getHoliDay
const STEP = 250

interface Traffic {
  readonly seconds: number
  /** What is called each 250 ms beside a good call. Default: nothing. */
  readonly beside?: (step: number) => Promise<CallResponse> | undefined
  readonly act?: (step: number) => unknown
}

/**
 * Four good calls a second, by the clock of the world: each step ends when every call has its response or waits for a
 * token.
 */
async function drive(world: TimedWorld, { seconds, beside, act }: Traffic) {
  const good: CallResponse[] = []
  const others: CallResponse[] = []
  const pending = new Set<Promise<CallResponse>>()
  const follow = (response: Promise<CallResponse>, into: CallResponse[]): void => {
    pending.add(response)
    void response.then((ended) => {
      pending.delete(response)
      into.push(ended)
    })
  }
  const settle = async (): Promise<void> => {
    // Most have their responses within milliseconds, and the page of metrics is large.
    await Promise.race([Promise.all(pending), delay(30)])
    const waiting = () => world.metric('isales_proxy_token_waiters')
    await until(async () => pending.size === 0 || (await waiting()) === pending.size, 20_000)
  }
  for (let step = 0; step < (seconds * 1000) / STEP; step += 1) {
    act?.(step)
    const other = beside?.(step)
    if (other !== undefined) follow(other, others)
    await settle()
    await world.pass(5)
    follow(world.tasks(), good)
    await settle()
    await world.pass(STEP - 5)
  }
  while (pending.size > 0) await world.pass(STEP)
  return { good: new Set(good.map(({ status }) => status)), all: good, others }
}

/** A path that iSales refuses; the switch takes a part of a path. */
function openRefusing(changes: Partial<Simulator['switches']> = {}): Promise<TimedWorld> {
  return openTimedWorld({
    simulator: { switches: { singleSession: true, forbiddenPath: 'refused', ...changes } },
  })
}

const refused = (world: TimedWorld, name: string) =>
  world.request(`/rest/isales/v1/openapi/obs/${name}/refused`, { method: 'POST', body: '{}' })

describe('calls that iSales refuses for what they are', () => {
  it('on paths of their own cost no good call anything, and are relayed as sent', async () => {
    const world = await openRefusing()
    const { good, others } = await drive(world, {
      seconds: 15,
      beside: (step) => refused(world, String(step)),
    })
    expect(good).toEqual(new Set([200]))
    expect(others).toHaveLength(60)
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set([403]))
    expect(others.filter(({ json }) => 'sent' in json)).toEqual([])
    expect(world.exchanges() - 1).toBeLessThanOrEqual(4)
    expect(await world.metric('isales_proxy_session_conflicts_total')).toBe(0)
  })

  it('of clients that leave before the replay cost no good call anything', async () => {
    const world = await openRefusing()
    const port = Number(new URL(world.proxy).port)
    let step = 0
    const { good } = await drive(world, {
      seconds: 8,
      act: async () => {
        step += 1
        const client = await connectRaw({ port })
        const path = `/rest/isales/v1/openapi/obs/${step}/refused`
        await client.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
        setTimeout(() => client.reset(), 20)
      },
    })
    expect(good).toEqual(new Set([200]))
    expect(world.exchanges() - 1).toBeLessThanOrEqual(4)
  })

  it.each([
    ['a 401', { forbiddenStatus: 401 }],
    ['a page', { forbiddenStatus: 403, forbiddenBody: 'html' }],
  ] as const)(
    'with %s, always the same path, cost two tokens, and a revocation is healed',
    async (_, changes) => {
      const world = await openRefusing(changes)
      const beside = (step: number) => (step % 4 === 0 ? refused(world, 'one') : undefined)
      const { good, others } = await drive(world, { seconds: 12, beside })
      expect(good).toEqual(new Set([200]))
      expect(new Set(others.map(({ status }) => status))).toEqual(
        new Set([changes.forbiddenStatus]),
      )
      expect(world.exchanges() - 1).toBeLessThanOrEqual(2)
      world.sim.revoke()
      expect((await drive(world, { seconds: 2, beside })).good).toEqual(new Set([200]))
    },
  )

  it('leave the pod ready and authenticated when they are the first calls of a token', async () => {
    const world = await openRefusing()
    const { others } = await drive(world, {
      seconds: 1,
      beside: (step) => (step === 0 ? refused(world, 'first') : undefined),
    })
    expect(others.map(({ status }) => status)).toEqual([403])
    expect((await world.probe('/readyz')).status).toBe(200)
    expect(await world.metric('isales_proxy_authenticated')).toBe(1)
    const { text } = await world.probe('/' as '/readyz')
    expect(text).not.toContain('rejects the token')
  })

  it('and nothing else, every one, are relayed as sent with few renewals; people see that', async () => {
    const world = await openTimedWorld({ simulator: { switches: { acceptHeaders: ['X-Other'] } } })
    const { all } = await drive(world, { seconds: 15 })
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([401]))
    expect(world.exchanges() - 1).toBeLessThanOrEqual(4)
    expect(await world.metric('isales_proxy_authenticated')).toBe(0)
    expect(await world.metric('isales_proxy_state{state="failing"}')).toBe(1)
    expect((await world.probe('/readyz')).status).toBe(200)
  })
})

describe('another login of the same user', () => {
  it('each 4 s fails no call, and is reported as a conflict', async () => {
    const world = await openRefusing()
    const { good } = await drive(world, {
      seconds: 20,
      act: (step) => step % 16 === 8 && world.sim.revoke(),
    })
    expect(good).toEqual(new Set([200]))
    expect(await world.metric('isales_proxy_session_conflicts_total')).toBeGreaterThan(0)
    expect(await world.metric('isales_proxy_state{state="conflict"}')).toBe(1)
    expect(world.said().filter((line) => line === 'warn conflict')).toHaveLength(1)
  })
})

describe('a lost token', () => {
  it('that iSales answers with a page is healed by one renewal', async () => {
    const world = await openTimedWorld()
    await world.tasks()
    world.sim.html({ operation: 'business', status: 401 })
    const before = world.exchanges()
    expect((await world.tasks()).status).toBe(200)
    expect(world.exchanges() - before).toBe(1)
  })

  it('keeps a call waiting that is too large to be sent again', async () => {
    const world = await openTimedWorld({ env: { REPLAY_BODY_SIZE: '1KiB' } })
    await world.tasks()
    world.sim.revoke()
    world.sim.hang({ operation: 'refresh' })
    const small = world.tasks()
    await world.waiting(1)
    const body = JSON.stringify({ uniqueId: 'large', serviceId: 1, callData: 'x'.repeat(4096) })
    const large = world.request(INTERFACE_PATHS.pushMidRlt, { method: 'POST', body })
    await world.waiting(2)
    world.sim.release()
    expect([(await small).status, (await large).status]).toEqual([200, 200])
    expect(world.sim.executions('large')).toBe(1)
  })

  it('whose renewal takes too long is a 503 that was not sent, and later calls use the new one', async () => {
    const world = await openTimedWorld()
    await world.tasks()
    world.sim.revoke()
    for (const operation of ['login', 'refresh'] as const) world.sim.hang({ operation })
    const response = world.tasks()
    await world.waiting(1)
    await world.jump(2800)
    expect(await response).toMatchObject({ status: 503, json: { code: 'no-token', sent: 'no' } })
    world.sim.release()
    await world.settled()
    expect((await world.tasks()).status).toBe(200)
  })

  it.each([
    ['a page of a gateway', (sim: Simulator) => sim.html({ operation: 'business', status: 502 })],
    ['a page of a portal', (sim: Simulator) => sim.html({ operation: 'business', status: 200 })],
    ['a failure of iSales', (sim: Simulator) => sim.failBusiness({ status: 500 })],
  ])('is not proven by %s', async (_, spoil) => {
    const world = await openTimedWorld()
    await world.tasks()
    world.sim.revoke()
    for (const operation of ['refresh', 'login'] as const) world.sim.hang({ operation })
    const rejected = world.tasks()
    await world.waiting(1)
    await world.jump(10)
    spoil(world.sim)
    await world.request(PATH, { method: 'POST', body: '{}' })
    world.sim.release()
    expect((await rejected).status).toBe(200)
  })
})
