import { expect, it } from 'vitest'
import type { RawClient } from '../support/raw-client.ts'
import { responseBytes, type RawRequest } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { chunkedPost, get, openStand, post, type Stand } from '../proxy/stand.ts'

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

/** A hundred at a time: a busy machine is not done with a thousand within the limit of one. */
async function connect(stand: Stand, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = []
  while (clients.length < count)
    clients.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(100, count - clients.length) }, () => stand.connect()),
      )),
    )
  return clients
}

it('1,000 concurrent requests that are all rejected heal with one login, and each is executed once', async () => {
  const { executed, execute, timesMost } = ledger()
  let revoked = 0
  const stand = await openStand({
    revoked: () => revoked,
    respond: execute,
    // On a busy machine all of it may take long.
    env: { CLIENT_DEADLINE: '0', ISALES_LOGIN_TIMEOUT: '60s' },
  })
  revoked = 1
  const clients = await connect(stand, 1000)
  await Promise.all(clients.map((client, i) => client.send(post(`call ${i}`))))
  const responses = await Promise.all(clients.map((client) => client.read({ limitMs: 60_000 })))
  expect(responses.map(({ status, text }) => `${status} ${text}`)).toEqual(
    responses.map((_, i) => `200 call ${i}`),
  )
  expect(stand.logins()).toBe(2)
  expect([executed.size, timesMost()]).toEqual([1000, 1])
  for (const client of clients) client.destroy()
  await stand.idle()
}, 180_000)

it('3,000 requests of every kind leave no socket, no listener and no warning behind', async () => {
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
  const clients = await connect(stand, 20)
  const statuses = new Set<number>()
  const call = async (client: (typeof clients)[number], i: number): Promise<void> => {
    for (let count = 0; count < 150; count += 1) {
      const request = kinds[(i + count) % kinds.length] ?? ''
      await client.send(request)
      const method = request.startsWith('HEAD') ? 'HEAD' : 'POST'
      statuses.add((await client.read({ method })).status)
    }
  }
  await Promise.all(clients.map(call))
  expect([...statuses]).toEqual([200])
  expect(stand.business()).toHaveLength(3000)
  for (const client of clients) client.destroy()
  await stand.idle()
  await until(() => stand.upstream.open() === 0)
  expect(warnings).toEqual([])
  process.off('warning', note)
}, 180_000)
