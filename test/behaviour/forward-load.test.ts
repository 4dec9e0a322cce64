import { expect, it } from 'vitest'
import { responseBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { chunkedPost, get, openStand, post } from '../proxy/stand.ts'

it('1,200 requests of every kind leave no socket, no listener and no warning behind', async () => {
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
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
  const statuses = new Set<number>()
  const call = async (client: (typeof clients)[number], i: number): Promise<void> => {
    for (let count = 0; count < 60; count += 1) {
      const request = kinds[(i + count) % kinds.length] ?? ''
      await client.send(request)
      const method = request.startsWith('HEAD') ? 'HEAD' : 'POST'
      statuses.add((await client.read({ method, limitMs: 60_000 })).status)
    }
  }
  await Promise.all(clients.map(call))
  expect([...statuses]).toEqual([200])
  expect(stand.business()).toHaveLength(1200)
  for (const client of clients) client.destroy()
  await stand.idle()
  await until(() => stand.upstream.open() === 0)
  expect(warnings).toEqual([])
  process.off('warning', note)
}, 180_000)
