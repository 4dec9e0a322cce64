import { describe, expect, it } from 'vitest'
import { responseBytes } from '../support/raw-upstream.ts'
import { listen } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { get, openStand, post } from '../proxy/stand.ts'

describe('iSales cannot be reached', () => {
  it('refused three times: 502, and it was not sent', async () => {
    const stand = await openStand({ env: { ISALES_KEEP_ALIVE: '100ms' } })
    await until(() => stand.upstream.open() === 0)
    await stand.closeUpstream()
    const startedAt = performance.now()
    const response = await stand.exchange(post('x'))
    expect(response.status).toBe(502)
    expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-unreachable', sent: 'no' })
    // 50 ms before the second attempt, 100 before the third.
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(149)
  })

  it.each([
    ['a POST', post('abc')],
    ['a POST too large to be kept', post('x'.repeat(200_000))],
    ['a GET', get()],
  ])('and is back at the third attempt: %s is sent once', async (_, request) => {
    const stand = await openStand({ env: { ISALES_KEEP_ALIVE: '100ms' } })
    await until(() => stand.upstream.open() === 0)
    const { port } = stand.upstream
    await stand.closeUpstream()
    const client = await stand.connect()
    await client.send(request)
    await until(async () => (await stand.metric('requests_in_flight')) === 1)
    const seen: Buffer[] = []
    await listen((socket) => {
      socket.on('data', (chunk) => seen.push(chunk))
      setTimeout(() => socket.write(responseBytes('back')), 50)
    }, port)
    expect(await client.read()).toMatchObject({ status: 200, text: 'back' })
    expect(Buffer.concat(seen).toString().split(' HTTP/1.1\r\n')).toHaveLength(2)
    client.destroy()
  })
})
