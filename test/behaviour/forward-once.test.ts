import { describe, expect, it } from 'vitest'
import { responseBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { chunkedPost, get, openStand, post } from '../proxy/stand.ts'

const BODY = '{"subCCNo":1}'

describe('a request that gets a response', () => {
  it('reaches iSales once, with its body, the token and nothing hop-by-hop', async () => {
    const stand = await openStand({
      respond: () => responseBytes('{"result":0}', { fields: ['Content-Type: application/json'] }),
    })
    const response = await stand.exchange(
      post(BODY, ['Connection: keep-alive, X-Drop', 'X-Drop: 1']),
    )
    expect(response).toMatchObject({ status: 200, text: '{"result":0}', framing: 'length' })
    const [request] = stand.business()
    expect(request?.body.toString()).toBe(BODY)
    expect(request?.header('authorization')).toBe('Bearer token-1')
    expect(request?.header('x-drop')).toBeUndefined()
    expect(stand.business()).toHaveLength(1)
  })
})

describe('a rejection', () => {
  it.each([
    ['a body of known length', post(BODY)],
    ['a body in chunks', chunkedPost(['{"subCC', 'No":1}'])],
    ['no body', get()],
  ])('with %s is healed by one login and one replay', async (_, request) => {
    let revoked = 0
    const stand = await openStand({ revoked: () => revoked })
    revoked = 1
    const response = await stand.exchange(request)
    expect(response).toMatchObject({ status: 200, text: 'ok' })
    expect(stand.logins()).toBe(2)
    const [first, second] = stand.business()
    expect(second?.body.toString()).toBe(first?.body.toString())
    expect(second?.header('authorization')).toBe('Bearer token-2')
    expect(second?.header('x-request-id')).toBe(first?.header('x-request-id'))
    expect(stand.business()).toHaveLength(2)
    expect(await stand.metric('replays_total{outcome="healed"}')).toBe(1)
  })

  it('of the replay is relayed, whatever it is', async () => {
    const stand = await openStand({
      respond: () => responseBytes('still no', { status: '403 No' }),
    })
    const response = await stand.exchange(post(BODY))
    expect(response).toMatchObject({ status: 403, text: 'still no' })
    expect(stand.business()).toHaveLength(2)
    expect(await stand.metric('replays_total{outcome="rejected"}')).toBe(1)
  })

  it('with a body over 64 KiB is relayed, and the next request has a new token', async () => {
    let revoked = 0
    const stand = await openStand({ revoked: () => revoked })
    revoked = 1
    const response = await stand.exchange(post('x'.repeat(64 * 1024 + 1)))
    expect(response).toMatchObject({ status: 401, text: 'no' })
    await until(() => stand.logins() === 2)
    expect(await stand.exchange(post(BODY))).toMatchObject({ status: 200 })
    expect(stand.business()).toHaveLength(2)
    expect(await stand.metric('replays_total{outcome="not-kept"}')).toBe(1)
  })

  it('with a body of exactly 64 KiB is healed', async () => {
    let revoked = 0
    const stand = await openStand({ revoked: () => revoked })
    revoked = 1
    const body = 'x'.repeat(64 * 1024)
    expect(await stand.exchange(post(body))).toMatchObject({ status: 200 })
    expect(stand.business()[1]?.body.toString()).toBe(body)
  })

  it('that comes while the body is still streaming is relayed, and the connection closed', async () => {
    let revoked = 0
    const stand = await openStand({
      revoked: () => revoked,
      onHead: ({ target }) =>
        target.endsWith('/login') || revoked === 0
          ? []
          : [responseBytes('no', { status: '401 No' }), { waitMs: 50 }, { close: 'end' }],
      env: { REPLAY_BODY_SIZE: '0' },
    })
    revoked = 1
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

  it('that no newer token heals in time is relayed as iSales sent it', async () => {
    let revoked = 0
    const stand = await openStand({
      revoked: () => revoked,
      login: (n) =>
        n === 1
          ? responseBytes(
              JSON.stringify({
                result: 0,
                resultData: { token: 'token-1', tokenExpirationTime: 3600 },
              }),
            )
          : responseBytes('down', { status: '503 Down' }),
      env: { TOKEN_WAIT: '100ms' },
    })
    revoked = 1
    const response = await stand.exchange(post(BODY))
    expect(response).toMatchObject({ status: 401, reason: 'No', text: 'no' })
    expect(stand.business()).toHaveLength(1)
    expect(await stand.metric('replays_total{outcome="no-token"}')).toBe(1)
  })
})

describe('a body in chunks that turns out too large', () => {
  it('when the response has begun cuts it, and goes on to iSales no longer', async () => {
    const stand = await openStand({
      onHead: ({ target }) =>
        target.endsWith('/login')
          ? []
          : ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nearly', { waitMs: 10_000 }],
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
})

describe('a connection lost after the request was written', () => {
  it.each([
    ['POST', post(BODY), 'reset'],
    ['POST', post(BODY), 'end'],
    ['POST', chunkedPost(['ab', 'cd']), 'destroy'],
    ['POST', post('x'.repeat(100_000)), 'reset'],
    ['PUT', post(BODY).replace('POST', 'PUT'), 'reset'],
    ['DELETE', get([], { method: 'DELETE' }), 'reset'],
    ['OPTIONS', get([], { method: 'OPTIONS' }), 'reset'],
  ] as const)(
    '%s is never sent again, and may have been executed (%#)',
    async (_, request, close) => {
      const stand = await openStand({ respond: () => [{ close }] })
      const response = await stand.exchange(request)
      expect(response.status).toBe(502)
      expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-broken', sent: 'unknown' })
      expect(stand.business()).toHaveLength(1)
      await stand.idle()
    },
  )

  it.each(['GET', 'HEAD'])('%s is sent once more, and healed', async (method) => {
    let count = 0
    const stand = await openStand({
      respond: () =>
        (count += 1) === 1 ? [{ close: 'reset' }] : responseBytes(method === 'HEAD' ? '' : 'ok'),
    })
    expect(await stand.exchange(get([], { method }), { method })).toMatchObject({ status: 200 })
    expect(stand.business()).toHaveLength(2)
  })

  it('GET is sent twice at most', async () => {
    const stand = await openStand({ respond: () => [{ close: 'reset' }] })
    const response = await stand.exchange(get())
    expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-broken', sent: 'unknown' })
    expect(stand.business()).toHaveLength(2)
  })

  it('GET that is lost and then finds nobody may have been executed', async () => {
    const stand = await openStand({
      respond: () => {
        void stand.closeUpstream()
        return [{ close: 'reset' }]
      },
    })
    const response = await stand.exchange(get())
    expect(response.status).toBe(502)
    expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-broken', sent: 'unknown' })
    expect(stand.business()).toHaveLength(1)
  })

  it('GET with a body in chunks is sent again with its body', async () => {
    let count = 0
    const stand = await openStand({
      respond: () => ((count += 1) === 1 ? [{ close: 'reset' }] : responseBytes('ok')),
    })
    const request = chunkedPost(['abc', 'def']).replace('POST', 'GET')
    expect(await stand.exchange(request)).toMatchObject({ status: 200 })
    expect(stand.business().map(({ body }) => body.toString())).toEqual(['abcdef', 'abcdef'])
  })
})
