// The figures of docs/dev/benchmarks.md rest on one login and on connections that are used again.
import { expect, it } from 'vitest'
import { responseBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { chunkedPost, get, openStand, post } from '../proxy/stand.ts'

const CLIENTS = 6
/** So many on one connection that a listener which each leaves behind is a warning of Node. */
const CALLS = 24

it('calls of every kind need one login and a connection for each client, and leave no socket, no listener and no warning behind', async () => {
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
  const kinds = [
    post('small'),
    chunkedPost(['in ', 'chunks']),
    post('l'.repeat(70_000)),
    get(),
    post('waits', ['Expect: 100-continue']),
  ]
  const head = get([], { method: 'HEAD' })
  const ends = ({ index }: { readonly index: number }): boolean => index % 36 === 13
  const stand = await openStand({
    respond: (request) => {
      if (request.method === 'HEAD') return responseBytes('')
      if (ends(request))
        return [responseBytes('once', { fields: ['Connection: close'] }), { close: 'end' }]
      if (request.index % 5 === 0)
        return 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'
      return responseBytes('ok')
    },
    env: { CLIENT_DEADLINE: '30s' },
    limits: { keepAlive: 500 },
  })
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => stand.connect()))
  const statuses = new Set<number>()
  const call = async (client: (typeof clients)[number], i: number): Promise<void> => {
    for (let count = 0; count < CALLS; count += 1) {
      const method = count === i ? 'HEAD' : 'POST'
      await client.send(count === i ? head : (kinds[(i + count) % kinds.length] ?? ''))
      statuses.add((await client.read({ method })).status)
    }
  }
  await Promise.all(clients.map(call))
  expect([...statuses]).toEqual([200])
  expect(stand.business()).toHaveLength(CLIENTS * CALLS)
  expect(stand.logins()).toBe(1)
  // A HEAD ends its connection, and the login has one.
  const ended = stand.business().filter(ends).length + CLIENTS + 1
  expect(stand.upstream.connections()).toBeLessThanOrEqual(CLIENTS + ended)
  for (const client of clients) client.destroy()
  await stand.idle()
  await until(() => stand.upstream.open() === 0)
  expect(warnings).toEqual([])
  process.off('warning', note)
})
