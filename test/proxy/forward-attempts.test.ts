import { describe, expect, it } from 'vitest'
import { until } from '../support/until.ts'
import { scene } from './scene.ts'

const POST = 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi'
const GET = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n'

describe('a connection that cannot be opened', () => {
  it('is tried three times in all', async () => {
    const { client, clock, attempt, attempts } = await scene()
    await client.send(POST)
    for (let n = 1; n <= 3; n += 1) {
      const one = await attempt(n)
      one.fail('down')
      await clock.advance(100)
    }
    const response = await client.read()
    expect(response.status).toBe(502)
    expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-unreachable', sent: 'no' })
    await clock.advance(1000)
    expect(attempts).toHaveLength(3)
  })

  it('leaves a GET its second sending', async () => {
    const { client, clock, attempt } = await scene()
    await client.send(GET)
    for (const [index, started] of [false, false, true].entries()) {
      const one = await attempt(index + 1)
      if (started) one.start()
      one.fail(started ? 'cut' : 'down')
      await clock.advance(150)
    }
    const last = await attempt(4)
    last.start()
    last.head(204)
    expect(await client.read()).toMatchObject({ status: 204 })
  })
})

describe('a request whose replay fails', () => {
  it.each([
    ['before it was written', false],
    ['after it was written', true],
  ])('%s is never told that nothing was sent', async (_, started) => {
    const { client, clock, attempt } = await scene()
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    first.head(401)
    for (let n = 2; n <= (started ? 2 : 4); n += 1) {
      const replay = await attempt(n)
      if (started) replay.start()
      replay.fail(started ? 'cut' : 'down')
      await clock.advance(150)
    }
    expect(JSON.parse((await client.read()).text)).toMatchObject({ sent: 'unknown' })
  })
})

describe('the deadline', () => {
  it.each([
    ['before a connection was tried', 0, 'out-of-time', 503],
    ['after one could not be opened', 1, 'upstream-unreachable', 502],
  ])('%s: %i failed, %s', async (_, failures, code, status) => {
    const { client, clock, attempt, ends } = await scene()
    await client.send(POST)
    for (let n = 1; n <= failures; n += 1) {
      const one = await attempt(n)
      one.fail('down')
      await clock.advance(100)
    }
    await attempt(failures + 1)
    await clock.advance(2800)
    const response = await client.read()
    expect(response.status).toBe(status)
    expect(JSON.parse(response.text)).toMatchObject({ code, sent: 'no' })
    expect(ends).toMatchObject([{ code, status }])
  })

  it.each(['lost and not sent again', 'lost, and no token is there to send it again'])(
    'of a GET that was %s says that it may have been executed',
    async (how) => {
      const { client, clock, attempt, state } = await scene({
        newer: new Promise(() => undefined),
      })
      await client.send(GET)
      const first = await attempt(1)
      first.start()
      if (how.includes('token')) state.current = undefined
      first.fail('cut')
      await clock.advance(100)
      await clock.advance(2800)
      const response = await client.read()
      expect(response.status).toBe(504)
      expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-timeout', sent: 'unknown' })
    },
  )

  it('past which a connection comes: nothing is written to it, and it is not lost', async () => {
    const { client, clock, attempt } = await scene()
    await client.send(POST)
    const first = await attempt(1)
    await clock.advance(2800)
    await client.read()
    expect(() => {
      first.start()
    }).toThrow('not to be sent')
    expect(first.aborted).toBe(false)
  })

  it('does not cut a response that has begun, and waits for nothing any more', async () => {
    const { client, clock, attempt } = await scene()
    await client.send(POST)
    const first = await attempt(1)
    first.start()
    first.head(200, 'Content-Length', '4')
    await until(() => clock.waiting().length === 0)
    await clock.advance(5000)
    first.data('late')
    first.end()
    expect(await client.read()).toMatchObject({ status: 200, text: 'late' })
  })
})
