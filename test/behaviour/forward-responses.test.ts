import { describe, expect, it } from 'vitest'
import { responseBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { gate, get, openStand, PATH, post } from '../proxy/stand.ts'

const OK = 'HTTP/1.1 200 OK\r\n'
const LONG = 'long-enough-token-1'
const login = () =>
  responseBytes(
    JSON.stringify({ result: 0, resultData: { token: LONG, tokenExpirationTime: 3600 } }),
  )

describe('the head of a response', () => {
  it('keeps its status, reason and headers, in their order and never merged', async () => {
    const fields = [
      'Set-Cookie: a=1',
      'x-b: 1',
      'X-B: 2',
      'set-cookie: b=2; Path=/',
      'Vary: A',
      'Empty:',
    ]
    const stand = await openStand({
      respond: () => responseBytes('ok', { status: '418 Tea, no', fields }),
    })
    const response = await stand.exchange(get())
    expect([response.status, response.reason]).toEqual([418, 'Tea, no'])
    expect(
      response.fields.slice(0, 6).map(([name, value]) => `${name}:${value && ` ${value}`}`),
    ).toEqual(fields)
  })

  it.each([
    ['in Chinese', Buffer.from('\u672a\u6388\u6743').toString('latin1'), undefined],
    ['that is empty', '', 'Not Found'],
    ['of its own', 'Nothing here', undefined],
  ])('with a reason %s keeps its bytes', async (_, reason, relayed = reason) => {
    const stand = await openStand({
      respond: () => `HTTP/1.1 404 ${reason}\r\nContent-Length: 2\r\n\r\nno`,
    })
    const response = await stand.exchange(get())
    expect(response).toMatchObject({ status: 404, text: 'no', reason: relayed })
  })

  it('with a reason that is not UTF-8 does not lose the response', async () => {
    const stand = await openStand({
      respond: () => 'HTTP/1.1 404 \u00e9t\u00e9\r\nContent-Length: 2\r\n\r\nno',
    })
    expect(await stand.exchange(get())).toMatchObject({ status: 404, text: 'no' })
  })

  it.each([
    ['in its reason', `HTTP/1.1 422 bad ${LONG}\r\nContent-Length: 2\r\n\r\nno`, 422],
    [
      'in the name of a header',
      `HTTP/1.1 422 No\r\nX-${LONG}: a\r\nContent-Length: 2\r\n\r\nno`,
      422,
    ],
    ['in a 1xx', `HTTP/1.1 103 ${LONG}\r\nX: ${LONG}\r\n\r\nHTTP/1.1 204 No\r\n\r\n`, 204],
  ])('that echoes the token %s does not give it to the client', async (_, bytes, status) => {
    const stand = await openStand({ respond: () => bytes, login })
    const client = await stand.connect()
    let received = ''
    client.socket.on('data', (chunk) => (received += String(chunk)))
    await client.send(get())
    expect(await client.read()).toMatchObject({ status })
    expect(received).not.toContain(LONG)
    client.destroy()
  })

  it('that echoes a former token, plain or encoded, does not give it to the client', async () => {
    const tokens = ['long-enough-token-1', 'long-enough-token-2']
    const spellings = tokens.flatMap((token) => [
      token,
      Buffer.from(`{"token":"${token}"}`).toString('base64'),
      token.replaceAll('-', '%2D'),
    ])
    const stand = await openStand({
      respond: () =>
        responseBytes('ok', { fields: spellings.map((text, n) => `X-${n}: a=${text}`) }),
      login: (n) =>
        responseBytes(
          JSON.stringify({
            result: 0,
            resultData: { token: tokens[n - 1], tokenExpirationTime: 60 },
          }),
        ),
      revoked: () => 1,
    })
    const { status, fields } = await stand.exchange(get())
    expect(status).toBe(200)
    expect(fields.map(([name]) => name).filter((name) => /^X-\d/.test(name))).toEqual([])
  })

  it.each([' ', '  '])('with white space %j behind its values is relayed', async (space) => {
    const stand = await openStand({
      respond: ({ method }) =>
        method === 'GET'
          ? `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked${space}\r\n\r\n2\r\nok\r\n0\r\n\r\n`
          : `HTTP/1.1 200 OK\r\nContent-Length: 2${space}\r\n\r\nok`,
    })
    expect(await stand.exchange(get())).toMatchObject({ status: 200, text: 'ok' })
    expect(await stand.exchange(post('x'))).toMatchObject({ status: 200, text: 'ok' })
  })

  it.each([301, 302, 303, 307, 308])(
    'that redirects (%i) is relayed, not followed',
    async (status) => {
      const fields = ['Location: http://127.0.0.1:1/elsewhere']
      const stand = await openStand({
        respond: () => responseBytes('', { status: `${status} Go`, fields }),
      })
      const response = await stand.exchange(post('x'))
      expect(response).toMatchObject({ status })
      expect(response.header('location')).toBe('http://127.0.0.1:1/elsewhere')
      expect(stand.business()).toHaveLength(1)
    },
  )

  it('that repeats the token does not give it to the client', async () => {
    const stand = await openStand({
      respond: (request) =>
        responseBytes('ok', {
          fields: [`X-Echo: ${request.header('authorization')}`, `Set-Cookie: t=${LONG}`, 'A: b'],
        }),
      login,
    })
    const response = await stand.exchange(get())
    expect(JSON.stringify(response.fields)).not.toContain(LONG)
    expect(response.header('a')).toBe('b')
  })

  it('that has no body behind it yet is not kept waiting', async () => {
    const { opened, open } = gate()
    const stand = await openStand({
      respond: () => [`${OK}Content-Length: 4\r\n\r\n`, () => opened, 'late'],
    })
    const client = await stand.connect()
    await client.send(get())
    await until(() => client.left().toString().includes('\r\n\r\n'))
    open()
    expect(await client.read()).toMatchObject({ text: 'late' })
    client.destroy()
  })

  it('that comes byte by byte is read all the same', async () => {
    const bytes = responseBytes('slowly', { fields: ['X-Long-Name: and its value', 'Via: 1.1 x'] })
    const pieces = bytes
      .split('')
      .flatMap((byte, i) => (i % 20 === 0 ? [{ waitMs: 1 }, byte] : [byte]))
    const stand = await openStand({ respond: () => pieces })
    const response = await stand.exchange(get())
    expect(response).toMatchObject({ status: 200, reason: 'OK', text: 'slowly' })
    expect(response.header('x-long-name')).toBe('and its value')
  })
})

describe('interim responses', () => {
  const EARLY =
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\nConnection: x\r\nX: y\r\n\r\n'

  it('are passed on, with their end-to-end headers', async () => {
    const stand = await openStand({
      respond: () => [
        'HTTP/1.1 102 Processing\r\n\r\n',
        EARLY,
        { waitMs: 20 },
        responseBytes('ok'),
      ],
    })
    const client = await stand.connect()
    await client.send(get())
    expect(await client.readInterim()).toMatchObject({ status: 102 })
    const early = await client.readInterim()
    expect(early.status).toBe(103)
    expect(early.fields.filter(([name]) => name !== 'X-Request-Id')).toEqual([
      ['Link', '</a>'],
      ['Link', '</b>'],
    ])
    expect(await client.read()).toMatchObject({ status: 200, text: 'ok' })
    client.destroy()
  })

  it('are not passed on to HTTP/1.0', async () => {
    const stand = await openStand({ respond: () => [EARLY, responseBytes('ok')] })
    const response = await stand.exchange(`GET ${PATH} HTTP/1.0\r\n\r\n`)
    expect(response).toMatchObject({ status: 200, text: 'ok', interim: [] })
  })

  it('of a pipelined request do not get into the response before it', async () => {
    const stand = await openStand({
      respond: ({ target }) =>
        target === PATH
          ? [`${OK}Content-Length: 4\r\n\r\nfi`, { waitMs: 100 }, 'rs']
          : [EARLY, responseBytes('second')],
    })
    const client = await stand.connect()
    await client.send(get() + get([], { path: '/rest/isales/b' }))
    expect(await client.read()).toMatchObject({ text: 'firs' })
    expect(await client.read()).toMatchObject({ text: 'second' })
    client.destroy()
  })

  it('that switch protocols unasked are no response', async () => {
    const upgrade =
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw'
    const stand = await openStand({ respond: () => upgrade })
    const response = await stand.exchange(post('x'))
    expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-broken', sent: 'unknown' })
  })

  it('100 Continue gets a response here, and the body then forwarded without Expect', async () => {
    const stand = await openStand()
    const client = await stand.connect()
    const request = post('hello', ['Expect: 100-continue'])
    await client.send(request.slice(0, -5))
    expect(await client.readInterim()).toMatchObject({ status: 100 })
    await client.send('hello')
    expect(await client.read()).toMatchObject({ status: 200 })
    expect(stand.business()[0]?.body.toString()).toBe('hello')
    expect(stand.business()[0]?.header('expect')).toBeUndefined()
    client.destroy()
  })
})

describe('a response without a body', () => {
  it.each([
    ['HEAD with a length', 'HEAD', `${OK}Content-Length: 42\r\n\r\n`, '42'],
    ['HEAD with chunks', 'HEAD', `${OK}Transfer-Encoding: chunked\r\n\r\n`, undefined],
    ['HEAD without either', 'HEAD', `${OK}\r\n`, undefined],
    ['204', 'POST', 'HTTP/1.1 204 No Content\r\n\r\n', undefined],
    ['204 with a length', 'GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', undefined],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', undefined],
    ['304 with a length', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\n', '42'],
    ['a length of 0', 'POST', `${OK}Content-Length: 0\r\n\r\n`, '0'],
  ])('%s ends with its head, and the connection goes on', async (_, method, bytes, length) => {
    const stand = await openStand({
      respond: ({ target }) => (target === PATH ? bytes : responseBytes('next')),
    })
    const client = await stand.connect()
    await client.send(method === 'POST' ? post('x') : get([], { method }))
    const response = await client.read({ method })
    expect(response.body).toHaveLength(0)
    expect(response.header('content-length')).toBe(length)
    expect(response.header('transfer-encoding')).toBeUndefined()
    await client.send(get([], { path: '/rest/isales/next' }))
    expect(await client.read()).toMatchObject({ text: 'next' })
    client.destroy()
    await stand.idle()
  })

  it.each([
    ['text', 'a body behind HEAD'],
    ['a response', responseBytes('poison', { status: '200 Evil' })],
  ])('HEAD takes no late body, be it %s, for the response to the next call', async (_, body) => {
    let asked: number | undefined
    const stand = await openStand({
      respond({ method, connection }) {
        if (method !== 'HEAD')
          return connection === asked ? [body, responseBytes('next')] : responseBytes('next')
        asked = connection
        return `${OK}Connection: keep-alive\r\nContent-Length: ${body.length}\r\n\r\n`
      },
    })
    const client = await stand.connect()
    await client.send(get([], { method: 'HEAD' }))
    await client.read({ method: 'HEAD' })
    await client.send(post('x'))
    expect(await client.read()).toMatchObject({ status: 200, reason: 'OK', text: 'next' })
    client.destroy()
  })

  it('HEAD takes no body that comes with its head, either', async () => {
    const stand = await openStand({
      respond: ({ method }) => responseBytes(method === 'HEAD' ? 'a body behind HEAD' : 'next'),
    })
    const client = await stand.connect()
    await client.send(get([], { method: 'HEAD' }))
    expect((await client.read({ method: 'HEAD' })).header('content-length')).toBe('18')
    await client.send(post('x'))
    expect(await client.read()).toMatchObject({ status: 200, text: 'next' })
    client.destroy()
  })
})

describe('the framing of a response is rebuilt', () => {
  const chunked =
    'Transfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\nSum: 1\r\n\r\n'

  it.each([
    ['chunks stay chunks', `${OK}${chunked}`, '1.1', 'chunked'],
    ['chunks end with the connection', `${OK}${chunked}`, '1.0', 'close'],
    ['a length stays', `${OK}Content-Length: 6\r\n\r\nabcdef`, '1.1', 'length'],
    ['a length stays', `${OK}Content-Length: 6\r\n\r\nabcdef`, '1.0', 'length'],
    ['the end of the connection becomes chunks', `${OK}\r\nabcdef`, '1.1', 'chunked'],
    ['the end of the connection stays', `${OK}\r\nabcdef`, '1.0', 'close'],
    [
      'Trailer beside a length goes',
      `${OK}Trailer: Sum\r\nContent-Length: 6\r\n\r\nabcdef`,
      '1.1',
      'length',
    ],
  ])('%s (HTTP/%s)', async (_, bytes, version, framing) => {
    const stand = await openStand({
      respond: () =>
        bytes.includes('Length') || bytes.includes('chunked') ? bytes : [bytes, { close: 'end' }],
    })
    const response = await stand.exchange(`GET ${PATH} HTTP/${version}\r\nHost: localhost\r\n\r\n`)
    expect(response).toMatchObject({ status: 200, text: 'abcdef', framing, trailers: [] })
    expect(response.header('trailer')).toBeUndefined()
    const closes = framing === 'close' || version === '1.0'
    expect(response.header('connection')).toBe(closes ? 'close' : 'keep-alive')
  })

  it('keep-alive of HTTP/1.0 is honoured where the length is known', async () => {
    const stand = await openStand({ respond: () => responseBytes('ok') })
    const client = await stand.connect()
    const request = `GET ${PATH} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`
    await client.send(request)
    expect(await client.read()).toMatchObject({ text: 'ok' })
    await client.send(request)
    expect(await client.read()).toMatchObject({ text: 'ok' })
    client.destroy()
  })
})

describe('a client of HTTP/1.0 that says that it takes chunks', () => {
  it('gets none', async () => {
    const stand = await openStand({
      respond: () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    })
    const response = await stand.exchange(`GET ${PATH} HTTP/1.0\r\nTE: chunked\r\n\r\n`)
    expect(response).toMatchObject({ status: 200, text: 'ok', framing: 'close' })
  })
})
