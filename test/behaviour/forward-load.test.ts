import { afterEach, describe, expect, it } from 'vitest'
import { responseBytes, type RawRequest } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { chunkedPost, gate, get, openStand, post } from '../proxy/stand.ts'

const warnings: Error[] = []
const note = (warning: Error): void => void warnings.push(warning)
process.on('warning', note)
afterEach(() => {
  warnings.length = 0
})

/** How often each body was executed: got any response but a rejection. */
function ledger() {
  const executed = new Map<string, number>()
  return {
    executed,
    execute: ({ body }: RawRequest): string => {
      const key = body.toString()
      executed.set(key, (executed.get(key) ?? 0) + 1)
      return responseBytes(key)
    },
    timesMost: () => Math.max(...executed.values()),
  }
}

describe('1,000 concurrent requests', () => {
  it('that are all rejected heal with one login, and each is executed once', async () => {
    const { executed, execute, timesMost } = ledger()
    let revoked = 0
    const stand = await openStand({
      revoked: () => revoked,
      respond: execute,
      env: { CLIENT_DEADLINE: '0', TOKEN_WAIT: '10s' },
    })
    revoked = 1
    const clients = await Promise.all(Array.from({ length: 1000 }, () => stand.connect()))
    await Promise.all(clients.map((client, i) => client.send(post(`call ${i}`))))
    const responses = await Promise.all(clients.map((client) => client.read({ limitMs: 20_000 })))
    expect(responses.filter(({ status }) => status !== 200)).toEqual([])
    expect(responses.map(({ text }) => text)).toEqual(responses.map((_, i) => `call ${i}`))
    expect(stand.logins()).toBe(2)
    expect(executed.size).toBe(1000)
    expect(timesMost()).toBe(1)
    for (const client of clients) client.destroy()
    await stand.idle()
  }, 180_000)

  it('behind an iSales that drops every third connection: none is executed twice', async () => {
    const { executed, execute, timesMost } = ledger()
    let count = 0
    const stand = await openStand({
      respond: (request) => {
        const response = execute(request)
        count += 1
        return count % 3 === 0 ? [{ close: 'reset' }] : response
      },
      env: { CLIENT_DEADLINE: '0' },
    })
    const outcomes = await Promise.all(
      Array.from({ length: 1000 }, async (_, i) => {
        const { status } = await stand.exchange(post(`call ${i}`), { limitMs: 20_000 })
        return status
      }),
    )
    expect(new Set(outcomes)).toEqual(new Set([200, 502]))
    expect(timesMost()).toBe(1)
    expect(executed.size).toBe(1000)
    await stand.idle()
  }, 180_000)

  it('over the cap are refused with 503 and Retry-After, and nothing of them is sent', async () => {
    const held = gate()
    const stand = await openStand({
      respond: async () => {
        await held.opened
        return responseBytes('ok')
      },
      env: { CLIENT_DEADLINE: '0', MAX_IN_FLIGHT: '100' },
    })
    const clients = await Promise.all(Array.from({ length: 150 }, () => stand.connect()))
    await Promise.all(clients.map((client) => client.send(post('x'))))
    await until(() => stand.business().length === 100)
    await until(() => clients.filter((client) => client.received() > 0).length === 50)
    held.open()
    const responses = await Promise.all(clients.map((client) => client.read()))
    const turned = responses.filter(({ status }) => status === 503)
    expect(turned).toHaveLength(50)
    expect(new Set(turned.map((response) => response.header('retry-after')))).toEqual(
      new Set(['1']),
    )
    expect(JSON.parse(turned[0]?.text ?? '')).toMatchObject({ code: 'overloaded', sent: 'no' })
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(100)
    expect(stand.business()).toHaveLength(100)
    for (const client of clients) client.destroy()
    await stand.idle()
  }, 30_000)
})

describe('10,000 requests', () => {
  it('of every kind leave no socket, no listener and no warning behind', async () => {
    const kinds = [
      post('small'),
      chunkedPost(['in ', 'chunks']),
      post('l'.repeat(70_000)),
      get(),
      get([], { method: 'HEAD' }),
      post('waits', ['Expect: 100-continue']),
    ]
    const stand = await openStand({
      respond: ({ index, method }) => {
        if (method === 'HEAD') return responseBytes('')
        if (index % 7 === 0)
          return [responseBytes('once', { fields: ['Connection: close'] }), { close: 'end' }]
        if (index % 5 === 0)
          return 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'
        return responseBytes('ok')
      },
      env: { ISALES_KEEP_ALIVE: '500ms', CLIENT_DEADLINE: '0' },
    })
    const clients = await Promise.all(Array.from({ length: 20 }, () => stand.connect()))
    const statuses = await Promise.all(
      clients.map(async (client, i) => {
        const seen = new Set<number>()
        for (let count = 0; count < 500; count += 1) {
          const request = kinds[(i + count) % kinds.length] ?? ''
          await client.send(request)
          const method = request.startsWith('HEAD') ? 'HEAD' : 'POST'
          seen.add((await client.read({ method })).status)
        }
        return [...seen]
      }),
    )
    expect(statuses).toEqual(clients.map(() => [200]))
    expect(stand.business()).toHaveLength(10_000)
    for (const client of clients) client.destroy()
    await stand.idle()
    await until(() => stand.upstream.open() === 0)
    expect(warnings).toEqual([])
  }, 180_000)
})
