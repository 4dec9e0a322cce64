import { describe, expect, it } from 'vitest'
import { responseBytes, type Step } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { get, openStand, post } from '../proxy/stand.ts'

const OK = 'HTTP/1.1 200 OK\r\n'

describe('a response that is none: 502, and it may have been executed', () => {
  it.each<[string, Step | readonly Step[]]>([
    ['garbage', 'GARBAGE\r\n\r\n'],
    ['another protocol', 'ICY 200 OK\r\n\r\n'],
    ['HTTP/0.9', '<html>'],
    ['a version that is none', 'HTTP/7.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['a status below 100', 'HTTP/1.1 042 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
    ['a folded header', `${OK}X: a\r\n b\r\nContent-Length: 2\r\n\r\nok`],
    ['a space before the colon', `${OK}X : a\r\nContent-Length: 2\r\n\r\nok`],
    ['a control character in a value', `${OK}X: a\u0001\r\nContent-Length: 2\r\n\r\nok`],
    ['two lengths', `${OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok`],
    ['lengths that differ', `${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nok`],
    ['a signed length', `${OK}Content-Length: +2\r\n\r\nok`],
    ['length and chunks', `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['chunks and length', `${OK}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n`],
    ['gzip and chunks', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n`],
    ['gzip', [`${OK}Transfer-Encoding: gzip\r\n\r\nab`, { close: 'end' }]],
    ['chunks, said with a tab', `${OK}Transfer-Encoding: chunked\t\r\n\r\n2\r\nab\r\n0\r\n\r\n`],
    [
      'chunks, said twice',
      `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n`,
    ],
    ['70 KiB of headers', `${OK}X: ${'x'.repeat(70 * 1024)}\r\nContent-Length: 2\r\n\r\nok`],
    ['half a head', [`${OK}X: y\r\n`, { close: 'end' }]],
    ['half a head, reset', [`${OK}X: y\r\n`, { close: 'reset' }]],
    ['an interim response only', ['HTTP/1.1 103 Early Hints\r\n\r\n', { close: 'end' }]],
    // undici has no use for it, and nobody asked for it: Expect never goes on.
    ['a 100 Continue', `HTTP/1.1 100 Continue\r\n\r\n${responseBytes('ok')}`],
    ['nothing', [{ close: 'end' }]],
  ])('%s', async (_, steps) => {
    const stand = await openStand({ respond: () => steps })
    const response = await stand.exchange(post('x'))
    expect(response.status).toBe(502)
    expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-broken', sent: 'unknown' })
    expect(stand.business()).toHaveLength(1)
    await stand.idle()
    expect(await stand.metric('request_errors_total{code="upstream-broken"}')).toBe(1)
  })
})

describe('a response that is cut: the connection of the client is destroyed', () => {
  it.each<[string, readonly Step[]]>([
    ['short of its length', [`${OK}Content-Length: 10\r\n\r\nhello`, { close: 'end' }]],
    ['short of its length, reset', [`${OK}Content-Length: 10\r\n\r\nhello`, { close: 'reset' }]],
    ['before the first byte', [`${OK}Content-Length: 10\r\n\r\n`, { close: 'end' }]],
    ['between chunks', [`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, { close: 'end' }]],
    ['within a chunk', [`${OK}Transfer-Encoding: chunked\r\n\r\n9\r\nhello`, { close: 'end' }]],
    [
      'before the last line',
      [`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n`, { close: 'end' }],
    ],
    ['by a chunk that is none', [`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`]],
    ['without a length, by a reset', [`${OK}\r\nhello`, { waitMs: 30 }, { close: 'reset' }]],
  ])('%s', async (_, steps) => {
    const stand = await openStand({ respond: () => steps })
    const client = await stand.connect()
    await client.send(post('x'))
    await expect(client.read()).rejects.toThrow(/the connection (?:broke|ended) in the body/)
    expect(stand.business()).toHaveLength(1)
    await stand.idle()
    expect(await stand.metric('request_errors_total{code="upstream-broken"}')).toBe(1)
    client.destroy()
  })

  it.each<[string, readonly Step[]]>([
    ['between chunks', [`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, { close: 'end' }]],
    ['without a length, by a reset', [`${OK}\r\nhello`, { waitMs: 30 }, { close: 'reset' }]],
    ['short of its length', [`${OK}Content-Length: 10\r\n\r\nhello`, { close: 'end' }]],
  ])(
    'by a reset to a 1.0 client, to which the end of the connection is that of the response: %s',
    async (_, steps) => {
      const stand = await openStand({ respond: () => steps })
      const client = await stand.connect()
      await client.send(get().replace('HTTP/1.1', 'HTTP/1.0'))
      await expect(client.closed()).resolves.toMatchObject({ reset: true })
      await stand.idle()
    },
  )

  it('and the other responses of that connection with it, never complete', async () => {
    const stand = await openStand({
      respond: ({ method }) =>
        method === 'POST'
          ? [`${OK}Content-Length: 10\r\n\r\nhello`, { waitMs: 30 }, { close: 'reset' }]
          : responseBytes('second'),
    })
    const client = await stand.connect()
    await client.send(post('x') + get())
    const { left } = await client.closed()
    expect(left.toString()).not.toContain('second')
    await stand.idle()
  })

  it('stays silent for longer than is waited for: cut as well', async () => {
    const stand = await openStand({
      respond: () => [`${OK}Content-Length: 10\r\n\r\nhello`, { waitMs: 4000 }, 'world'],
      env: { BODY_IDLE_TIMEOUT: '1s' },
    })
    const client = await stand.connect()
    await client.send(post('x'))
    await expect(client.read()).rejects.toThrow('in the body')
    client.destroy()
  })
})

describe('bytes behind a response', () => {
  it('are not taken for the response to the next request', async () => {
    const stand = await openStand({
      respond: ({ method }) =>
        method === 'POST'
          ? [responseBytes('first') + responseBytes('poison', { status: '200 Evil' })]
          : responseBytes('second'),
    })
    const client = await stand.connect()
    await client.send(post('x'))
    expect(await client.read()).toMatchObject({ text: 'first' })
    await client.send(get())
    expect(await client.read()).toMatchObject({ reason: 'OK', text: 'second' })
    client.destroy()
  })

  it('that come while the connection is idle are not, either', async () => {
    const stand = await openStand({
      respond: ({ method }) =>
        method === 'POST'
          ? [responseBytes('first'), { waitMs: 20 }, responseBytes('poison')]
          : responseBytes('second'),
    })
    const client = await stand.connect()
    await client.send(post('x'))
    await client.read()
    await until(() => stand.upstream.open() < stand.upstream.connections())
    await client.send(get())
    expect(await client.read()).toMatchObject({ text: 'second' })
    client.destroy()
  })
})
