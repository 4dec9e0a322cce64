import { describe, expect, it } from 'vitest'
import { responseBytes } from '../support/raw-upstream.ts'
import { listen } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { chunkedPost, get, openStand, post, type StandOptions } from '../proxy/stand.ts'

const BODY = '{"subCCNo":1}'
const LARGE = 'x'.repeat(64 * 1024 + 1)
const isLogin = ({ target }: { readonly target: string }): boolean => target.endsWith('/login')

/** The token of the first login is revoked. */
const openRevoked = async (options: StandOptions = {}) => {
  let revoked = 0
  const stand = await openStand({ revoked: () => revoked, ...options })
  revoked = 1
  return stand
}

describe('a rejection', () => {
  it.each([
    ['a body of known length', post(BODY)],
    ['a body in chunks', chunkedPost(['{"subCC', 'No":1}'])],
    ['the largest body that is kept', post(LARGE.slice(1))],
    ['no body', get()],
  ])('with %s is healed by one login and one replay', async (_, request) => {
    const stand = await openRevoked()
    expect(await stand.exchange(request)).toMatchObject({ status: 200, text: 'ok' })
    expect(stand.logins()).toBe(2)
    const [first, second] = stand.business()
    expect(second?.body.toString()).toBe(first?.body.toString())
    expect(second?.header('authorization')).toBe('Bearer token-2')
    expect(second?.header('x-request-id')).toBe(first?.header('x-request-id'))
    expect(stand.business()).toHaveLength(2)
    expect(await stand.metric('replays_total{outcome="healed"}')).toBe(1)
  })

  it('of the replay is relayed, whatever it is', async () => {
    const stand = await openStand({ respond: () => responseBytes('still', { status: '403 No' }) })
    const response = await stand.exchange(post(BODY))
    expect(response).toMatchObject({ status: 403, text: 'still' })
    expect(stand.business()).toHaveLength(2)
    expect(await stand.metric('replays_total{outcome="rejected"}')).toBe(1)
  })

  it('with a larger body is relayed, and the next request has a new token', async () => {
    const stand = await openRevoked()
    expect(await stand.exchange(post(LARGE))).toMatchObject({ status: 401, text: 'no' })
    await until(() => stand.logins() === 2)
    expect(await stand.exchange(post(BODY))).toMatchObject({ status: 200 })
    expect(stand.business()).toHaveLength(2)
    expect(await stand.metric('replays_total{outcome="not-kept"}')).toBe(1)
  })

  it('that comes while the body is still streaming is relayed, and the connection closed', async () => {
    const no = [
      responseBytes('no', { status: '401 No' }),
      { waitMs: 50 },
      { close: 'end' as const },
    ]
    const stand = await openStand({
      onHead: (head) => (isLogin(head) ? [] : no),
      env: { REPLAY_BODY_SIZE: '0' },
    })
    const client = await stand.connect()
    const whole = chunkedPost(['first', 'second'])
    await client.send(whole.slice(0, whole.indexOf('first') + 7))
    const response = await client.read()
    expect(response).toMatchObject({ status: 401, text: 'no' })
    expect(response.header('connection')).toBe('close')
    await client.closed()
    await until(() => stand.logins() === 2)
    await stand.idle()
  })

  it('whose body stalls does not keep the replay from the only connection', async () => {
    let count = 0
    const stand = await openStand({
      respond: () =>
        (count += 1) === 1
          ? ['HTTP/1.1 401 No\r\nContent-Length: 10\r\n\r\nno', { waitMs: 10_000 }]
          : responseBytes('healed'),
      env: { ISALES_MAX_CONNECTIONS: '1' },
    })
    expect(await stand.exchange(post(BODY))).toMatchObject({ status: 200, text: 'healed' })
  })
})

it('a body in chunks that turns out too large, when the response has begun, cuts it and goes on no longer', async () => {
  const early = ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nearly', { waitMs: 10_000 }]
  const stand = await openStand({
    onHead: (head) => (isLogin(head) ? [] : early),
    env: { MAX_BODY_SIZE: '100KiB', REPLAY_BODY_SIZE: '1KiB' },
  })
  const client = await stand.connect()
  const whole = chunkedPost(['x'.repeat(50_000), 'x'.repeat(60_000)])
  await client.send(whole.slice(0, 51_000))
  await until(() => client.left().includes('early'))
  await client.send(whole.slice(51_000))
  await client.closed()
  expect(stand.business()).toHaveLength(0)
  await stand.idle()
  expect(await stand.metric('request_errors_total{code="too-large"}')).toBe(1)
})

it.each([
  ['a POST', post('abc')],
  ['a POST too large to be kept', post('x'.repeat(200_000))],
  ['a GET', get()],
])(
  'iSales cannot be reached, and is back at the third attempt: %s is sent once',
  async (_, request) => {
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
  },
)

describe('a connection lost after the request was written', () => {
  const LOST = { code: 'upstream-broken', sent: 'unknown' }

  it.each([
    ['POST', post(BODY), 'reset'],
    ['POST', chunkedPost(['ab', 'cd']), 'destroy'],
    ['DELETE', get([], { method: 'DELETE' }), 'reset'],
  ] as const)(
    '%s is never sent again, and may have been executed (%#)',
    async (_, request, close) => {
      const stand = await openStand({ respond: () => [{ close }] })
      const response = await stand.exchange(request)
      expect(response.status).toBe(502)
      expect(JSON.parse(response.text)).toMatchObject(LOST)
      expect(stand.business()).toHaveLength(1)
    },
  )

  it.each([
    ['HEAD', get([], { method: 'HEAD' })],
    ['GET', chunkedPost(['abc', 'def']).replace('POST', 'GET')],
  ])('%s is sent once more, with its body, and healed (%#)', async (method, request) => {
    let count = 0
    const stand = await openStand({
      respond: () => ((count += 1) === 1 ? [{ close: 'reset' }] : 'HTTP/1.1 204 No\r\n\r\n'),
    })
    expect(await stand.exchange(request, { method })).toMatchObject({ status: 204 })
    const [first, second, ...more] = stand.business().map(({ body }) => body.toString())
    expect([second, more]).toEqual([first, []])
  })
})
