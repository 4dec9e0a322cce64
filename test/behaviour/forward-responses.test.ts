import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { responseBytes, type Step } from '../support/raw-upstream.ts'
import { get, openStrictWorld, PATH, post, shareStrictWorld } from '../support/strict-world.ts'
import type { StrictWorld } from '../support/strict-world.ts'

const OK = 'HTTP/1.1 200 OK\r\n'

const world = shareStrictWorld()

describe('the head of a response', () => {
  it('keeps its status, reason and headers, in their order and never merged, but no cookie', async () => {
    const fields = ['Link: </a>', 'x-b: 1', 'X-B: 2', 'link: </b>', 'Empty: ']
    const dropped = 'Set-Cookie: JSESSIONID=1; Path=/'
    world.serve(responseBytes('ok', { status: '418 Tea, no', fields: [dropped, ...fields] }))
    const response = await world.exchange(get(['Cookie: JSESSIONID=2']))
    expect(world.business()[0]?.header('cookie')).toBeUndefined()
    expect([response.status, response.reason]).toEqual([418, 'Tea, no'])
    expect(response.fields.slice(0, 5).map(([name, value]) => `${name}: ${value}`)).toEqual(fields)
  })

  it.each([
    ['in Chinese', Buffer.from('\u672a\u6388\u6743').toString('latin1'), undefined],
    ['that is empty', '', 'Not Found'],
    ['of its own', 'Nothing here', undefined],
    ['that is not UTF-8', '\u00e9t\u00e9', expect.any(String) as string],
  ])('with a reason %s keeps its bytes', async (_, reason, relayed = reason) => {
    world.serve(`HTTP/1.1 404 ${reason}\r\nContent-Length: 2\r\n\r\nno`)
    const response = await world.exchange(get())
    expect(response).toMatchObject({ status: 404, text: 'no', reason: relayed })
  })
})

it('a redirect is relayed, not followed', async () => {
  const location = 'http://127.0.0.1:1/elsewhere'
  world.serve(responseBytes('', { status: '307 Go', fields: [`Location: ${location}`] }))
  const response = await world.exchange(post('x'))
  expect([response.status, response.header('location')]).toEqual([307, location])
  expect(world.business()).toHaveLength(1)
})

it('interim responses of iSales are dropped', async () => {
  const early = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'
  world.serve(['HTTP/1.1 102 Processing\r\n\r\n', early, { waitMs: 20 }, responseBytes('ok')])
  expect(await world.exchange(get())).toMatchObject({ status: 200, text: 'ok' })
})

it('a stalled body of a rejection keeps no call from the only connection, and none is sent with a replaced token', async () => {
  const own = await openStrictWorld({ config: { isalesMaxConnections: 1 } })
  const stalled = ['HTTP/1.1 401 No\r\nContent-Length: 10\r\n\r\nno', { waitMs: 10_000 }]
  own.serve((request) =>
    request.header('authorization') === 'Bearer token-1' ? stalled : responseBytes('healed'),
  )
  for (const response of await Promise.all([own.exchange(post('x')), own.exchange(post('x'))]))
    expect(response).toMatchObject({ status: 200, text: 'healed' })
  const tokens = own.business().map((request) => request.header('authorization')?.slice(-7))
  expect(tokens).toEqual(['token-1', 'token-2', 'token-2'])
})

it('a rejection of any length is relayed, with its headers, if a newer token is rejected or none is due', async () => {
  const own = await openStrictWorld()
  const body = 'n'.repeat(100_000)
  own.serve(responseBytes(body, { status: '401 No', fields: ['X-Why: because'] }))
  for (const outcome of ['rejected', 'no-token']) {
    const response = await own.exchange(post('x'))
    expect(response).toMatchObject({ status: 401, text: body })
    expect(response.header('x-why')).toBe('because')
    expect(await own.metric(`replays_total{outcome="${outcome}"}`)).toBe(1)
  }
  expect(own.business()).toHaveLength(3)
})

describe('a response without a body', () => {
  it.each([
    ['HEAD with a length', 'HEAD', `${OK}Content-Length: 42\r\n\r\n`, '42'],
    ['HEAD with chunks', 'HEAD', `${OK}Transfer-Encoding: chunked\r\n\r\n`, undefined],
    ['HEAD without either', 'HEAD', `${OK}\r\n`, undefined],
    ['HEAD with a body behind it', 'HEAD', responseBytes('a body behind HEAD'), '18'],
    ['204', 'POST', 'HTTP/1.1 204 No Content\r\n\r\n', undefined],
    ['204 with a length', 'GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', undefined],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', undefined],
    ['304 with a length', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\n', '42'],
    ['a length of 0', 'POST', `${OK}Content-Length: 0\r\n\r\n`, '0'],
  ])('%s ends with its head, and the connection continues', async (_, method, bytes, length) => {
    world.serve(({ target }) => (target === PATH ? bytes : responseBytes('next')))
    const client = await world.connect()
    await client.send(method === 'POST' ? post('x') : get([], { method }))
    const response = await client.read({ method })
    expect(response.body).toHaveLength(0)
    expect(response.header('content-length')).toBe(length)
    expect(response.header('transfer-encoding')).toBeUndefined()
    await client.send(get([], { path: '/rest/isales/next' }))
    expect(await client.read()).toMatchObject({ text: 'next' })
    client.destroy()
    await world.idle()
  })

  it('HEAD takes no late body for the response to the next call', async () => {
    const poison = responseBytes('poison', { status: '200 Evil' })
    let asked: number | undefined
    world.serve(({ method, connection }) => {
      if (method !== 'HEAD')
        return connection === asked ? [poison, responseBytes('next')] : responseBytes('next')
      asked = connection
      return `${OK}Connection: keep-alive\r\nContent-Length: ${poison.length}\r\n\r\n`
    })
    const client = await world.connect()
    await client.send(get([], { method: 'HEAD' }))
    await client.read({ method: 'HEAD' })
    await client.send(post('x'))
    expect(await client.read()).toMatchObject({ status: 200, reason: 'OK', text: 'next' })
  })
})

const chunked = `${OK}Transfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\nSum: 1\r\n\r\n`
const length = `${OK}Trailer: Sum\r\nContent-Length: 6\r\n\r\nabcdef`

it.each([
  ['chunks stay chunks', chunked, '1.1', 'chunked'],
  ['chunks end with the connection, even for one that says TE', chunked, '1.0', 'close'],
  ['a length stays', length, '1.0', 'length'],
  ['the end of the connection becomes chunks', `${OK}\r\nabcdef`, '1.1', 'chunked'],
  ['the end of the connection stays', `${OK}\r\nabcdef`, '1.0', 'close'],
])('the framing of a response is rebuilt: %s (%#)', async (_, bytes, version, framing) => {
  world.serve(bytes.startsWith(`${OK}\r\n`) ? [bytes, { close: 'end' }] : bytes)
  const head = `GET ${PATH} HTTP/${version}\r\nHost: localhost\r\nTE: chunked\r\n\r\n`
  const response = await world.exchange(head)
  expect(response).toMatchObject({ status: 200, text: 'abcdef', framing })
  expect(response.header('trailer')).toBeUndefined()
  expect(response.header('connection')).toBe(version === '1.0' ? 'close' : 'keep-alive')
})

const GOOD = '{"result":0}'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`

async function open(steps: Parameters<StrictWorld['serve']>[0], more = {}) {
  const world = await openStrictWorld({ env: { ISALES_REJECTED: '401,403,result=7', ...more } })
  world.serve(steps)
  return world
}

describe('a response that is inspected', () => {
  it('is requested without a coding; a response with a coding is relayed unchanged', async () => {
    const packed = gzipSync('{"result":7}')
    const head = `${OK}Content-Encoding: gzip\r\nContent-Length: ${packed.length}\r\n\r\n`
    const world = await open(Buffer.concat([Buffer.from(head), packed]))
    const fields = ['Accept-Encoding: gzip', 'ACCEPT-ENCODING: br']
    const response = await world.exchange(post('x', fields))
    expect(world.business()[0]?.header('accept-encoding')).toBe('identity')
    expect([response.header('content-encoding'), response.body]).toEqual(['gzip', packed])
    expect(world.business()).toHaveLength(1)
  })

  it.each([
    [64 * 1024, true],
    [64 * 1024 + 1, false],
    [1024 * 1024, false],
  ])('is complete with %i bytes, and replayed: %s', async (size, healed) => {
    const body = `{"result":7,"padding":"${'x'.repeat(size - 25)}"}`
    // Rejects the first token.
    const world = await open((request) =>
      request.header('authorization') === 'Bearer token-1'
        ? `${CHUNKED}${size.toString(16)}\r\n${body}\r\n0\r\n\r\n`
        : responseBytes(GOOD),
    )
    const { text, framing } = await world.exchange(post('x'))
    expect(text === (healed ? GOOD : body)).toBe(true)
    expect(framing).toBe(healed ? 'length' : 'chunked')
  })

  it.each<[string, readonly Step[], number]>([
    ['cut', [`${OK}Content-Length: 10\r\n\r\n{"res`, { close: 'end' }], 502],
    ['late', [`${OK}Content-Length: 10\r\n\r\n{"res`, { waitMs: 900 }], 504],
  ])('and is %s is never relayed in part', async (_, steps, status) => {
    const world = await open(steps, { CLIENT_DEADLINE: '400ms' })
    const response = await world.exchange(post('x'))
    expect(response.status).toBe(status)
    expect(JSON.parse(response.text)).toMatchObject({ sent: 'unknown' })
    expect(world.business()).toHaveLength(1)
  })
})
