import { afterEach, describe, expect, it } from 'vitest'
import { responseBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { chunkedPost, gate, get, openStand, post } from '../proxy/stand.ts'

const warnings: Error[] = []
const note = (warning: Error): void => void warnings.push(warning)
process.on('warning', note)
afterEach(() => {
  warnings.length = 0
})

describe('concurrent requests', () => {
  it('behind an iSales that drops every third connection: none is executed twice', async () => {
    const stand = await openStand({
      respond: ({ index }) => (index % 3 === 0 ? [{ close: 'reset' }] : responseBytes('ok')),
      env: { CLIENT_DEADLINE: '0' },
    })
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const { status } = await stand.exchange(post(`call ${i}`), { limitMs: 20_000 })
        return status
      }),
    )
    expect(new Set(outcomes)).toEqual(new Set([200, 502]))
    const bodies = stand.business().map(({ body }) => body.toString())
    expect([bodies.length, new Set(bodies).size]).toEqual([300, 300])
    await stand.idle()
  })

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
  })
})

describe('1,000 requests', () => {
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
        for (let count = 0; count < 50; count += 1) {
          const request = kinds[(i + count) % kinds.length] ?? ''
          await client.send(request)
          const method = request.startsWith('HEAD') ? 'HEAD' : 'POST'
          seen.add((await client.read({ method })).status)
        }
        return [...seen]
      }),
    )
    expect(statuses).toEqual(clients.map(() => [200]))
    expect(stand.business()).toHaveLength(1000)
    for (const client of clients) client.destroy()
    await stand.idle()
    await until(() => stand.upstream.open() === 0)
    expect(warnings).toEqual([])
  })
})
