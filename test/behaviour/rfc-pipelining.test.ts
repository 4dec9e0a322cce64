import { describe, expect, it } from 'vitest'
import { responseBytes, type RawRequest } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { gate, get, openStand, PATH, post } from '../proxy/stand.ts'

const SECOND = get([], { path: '/rest/isales/second' })

describe('pipelined requests', () => {
  it('get their responses in order, whatever the order in which iSales responds', async () => {
    const first = gate()
    const stand = await openStand({
      respond: async ({ target }) => {
        if (target === PATH) await first.opened
        return responseBytes(target)
      },
    })
    const client = await stand.connect()
    await client.send(get() + SECOND + post('x'))
    await until(() => stand.business().length === 3)
    first.open()
    const texts = [await client.read(), await client.read(), await client.read()]
    expect(texts.map(({ text }) => text)).toEqual([PATH, '/rest/isales/second', PATH])
    client.destroy()
    await stand.idle()
  })

  it('behind Connection: close are not served, and do not touch the response in progress', async () => {
    const first = gate()
    const stand = await openStand({
      respond: async () => {
        await first.opened
        return responseBytes('whole')
      },
    })
    const client = await stand.connect()
    await client.send(get(['Connection: close']) + SECOND)
    await until(() => stand.business().length === 1)
    first.open()
    expect(await client.read()).toMatchObject({ status: 200, text: 'whole' })
    expect((await client.closed()).left).toHaveLength(0)
    expect(stand.business()).toHaveLength(1)
  })

  it('behind the last request of HTTP/1.0 are not served', async () => {
    const stand = await openStand()
    const client = await stand.connect()
    await client.send(`GET ${PATH} HTTP/1.0\r\n\r\n${SECOND}`)
    expect(await client.read()).toMatchObject({ status: 200 })
    await client.closed()
    expect(stand.business()).toHaveLength(1)
  })

  it.each([
    ['an empty transfer coding', `POST ${PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n`],
    ['another host', `GET ${PATH} HTTP/1.1\r\nHost: evil.example\r\n\r\n`],
    ['a path outside', get([], { path: '/x' })],
    ['a path outside and a body', post('abc').replace(PATH, '/x')],
    ['an expectation that is not known', post('abc', ['Expect: teapot'])],
    ['an upgrade', get(['Connection: Upgrade', 'Upgrade: h2c'])],
  ])('behind %s are not served', async (_, refused) => {
    const stand = await openStand()
    const client = await stand.connect()
    await client.send(refused + SECOND)
    const response = await client.read()
    expect(response.header('connection')).toBe('close')
    expect((await client.closed()).left).toHaveLength(0)
    expect(stand.business().filter(({ target }) => target !== PATH)).toEqual([])
  })

  it('behind a response in progress, garbage cuts nothing of it', async () => {
    const second = gate()
    const half: RawRequest[] = []
    const stand = await openStand({
      respond: (request) => {
        half.push(request)
        return ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello', () => second.opened, 'world']
      },
    })
    const client = await stand.connect()
    await client.send(get())
    await until(() => client.received() > 0)
    await client.send('GARBAGE\u0001\r\n\r\n')
    expect(await client.silent(50)).toBe(true)
    second.open()
    expect(await client.read()).toMatchObject({ status: 200, text: 'helloworld' })
    expect((await client.closed()).left.toString()).toMatch(/^HTTP\/1\.1 400 /)
    expect(half).toHaveLength(1)
  })
})
