import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { responseBytes, type Step } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import {
  chunkedPost,
  gate,
  get,
  loginResponse,
  openStand,
  PATH,
  post,
  type Stand,
} from '../proxy/stand.ts'

const OK = 'HTTP/1.1 200 OK\r\n'
const SECOND = '/rest/isales/second'
const NEVER: Step = () => new Promise(() => undefined)

/** Nothing is left of it, and the next request is served. */
async function recovered(stand: Stand): Promise<string> {
  await stand.idle()
  const { text } = await stand.exchange(get([], { path: '/rest/isales/next' }))
  await stand.idle()
  return text
}

function inFlight(stand: Stand) {
  return async (): Promise<boolean> => (await stand.metric('requests_in_flight')) === 1
}

/** Serves one path as the test says, and any other with `next`. */
const respond = (steps: Step | readonly Step[]) => (request: { readonly target: string }) =>
  request.target === PATH ? steps : responseBytes('next')

/** No token comes until the test logs in. */
async function openWithoutToken() {
  const login = gate()
  const stand = await openStand({
    respond: respond(responseBytes('ok')),
    login: (n) => login.opened.then(() => loginResponse(n)),
    authenticated: false,
    env: { REPLAY_BODY_SIZE: '0' },
  })
  return { stand, client: await stand.connect(), logIn: login.open }
}

/** One client waits for a slow response on the only connection; what another one sends has to wait for that. */
async function openQueue(pause: Step) {
  const stand = await openStand({
    respond: ({ body }) =>
      body.toString() === 'first' ? [pause, responseBytes('slow')] : responseBytes('next'),
    env: { ISALES_MAX_CONNECTIONS: '1' },
  })
  const first = await stand.connect()
  await first.send(post('first'))
  await until(() => stand.business().length === 1)
  return { stand, first, second: await stand.connect() }
}

describe('the client resets its connection', () => {
  it('within its head', async () => {
    const stand = await openStand({ respond: respond('') })
    const client = await stand.connect()
    await client.send(post('x').slice(0, 40))
    await delay(20)
    client.reset()
    expect(await recovered(stand)).toBe('next')
    expect(stand.business()).toHaveLength(1)
  })

  it('within a body that is read whole', async () => {
    const stand = await openStand({ respond: respond('') })
    const client = await stand.connect()
    await client.send(post('x'.repeat(1000)).slice(0, -500))
    await until(inFlight(stand))
    client.reset()
    expect(await recovered(stand)).toBe('next')
    expect(stand.business()).toHaveLength(1)
  })

  it.each([
    ['of known length', post('x'.repeat(200_000)).slice(0, -100)],
    ['in chunks', chunkedPost(['abc', 'def']).slice(0, -5)],
  ])('within a body that streams %s', async (_, bytes) => {
    const stand = await openStand({ respond: respond(''), env: { REPLAY_BODY_SIZE: '0' } })
    const client = await stand.connect()
    const before = stand.upstream.received()
    await client.send(bytes)
    await until(() => stand.upstream.received() >= before + bytes.length - 100)
    client.reset()
    await until(() => stand.upstream.cut() === 1)
    expect(await recovered(stand)).toBe('next')
    expect(stand.business()).toHaveLength(1)
  })

  it('while it waits for the first token', async () => {
    const login = gate()
    const opening = openStand({
      respond: respond(''),
      login: async (n) => {
        await login.opened
        return loginResponse(n)
      },
      authenticated: false,
    })
    const stand = await opening
    const client = await stand.connect()
    await client.send(post('x'))
    await until(async () => (await stand.metric('token_waiters')) === 1)
    client.reset()
    await until(async () => (await stand.metric('token_waiters')) === 0, 1000)
    login.open()
    expect(await recovered(stand)).toBe('next')
    expect(stand.business()).toHaveLength(1)
  })

  it('while it waits for the token of its replay', async () => {
    let revoked = 0
    const stand = await openStand({
      respond: respond(''),
      revoked: () => revoked,
      login: async (n) => {
        if (n === 2) await delay(300)
        return loginResponse(n)
      },
    })
    revoked = 1
    const client = await stand.connect()
    await client.send(post('x'))
    await until(async () => (await stand.metric('token_waiters')) === 1)
    client.reset()
    expect(await recovered(stand)).toBe('next')
    expect(stand.business().filter(({ target }) => target === PATH)).toHaveLength(1)
  })

  it('while it waits for a connection, which is not lost by it', async () => {
    const { stand, first, second } = await openQueue({ waitMs: 200 })
    const before = stand.upstream.connections()
    await second.send(post('second'))
    await until(async () => (await stand.metric('requests_in_flight')) === 2)
    second.reset()
    await until(inFlight(stand))
    expect(await first.read()).toMatchObject({ text: 'slow' })
    expect(await recovered(stand)).toBe('next')
    expect(stand.upstream.connections()).toBe(before)
    expect(stand.business().map(({ body }) => body.toString())).toEqual(['first', ''])
    first.destroy()
  })

  it('before the turn of a request that waits for a connection: it is not sent', async () => {
    const stand = await openStand({ respond: respond(NEVER), env: { ISALES_MAX_CONNECTIONS: '1' } })
    const client = await stand.connect()
    await client.send(get() + post('x').replace(PATH, SECOND))
    await until(async () => (await stand.metric('requests_in_flight')) === 2)
    client.reset()
    expect(await recovered(stand)).toBe('next')
    expect(stand.business().map(({ target }) => target)).toEqual([PATH, '/rest/isales/next'])
  })

  it('before the turn of a large response, which iSales is no longer held from sending', async () => {
    const large = [`${OK}Content-Length: 20000000\r\n\r\n`, Buffer.alloc(20_000_000)]
    const stand = await openStand({
      respond: ({ target }) =>
        target === PATH ? NEVER : target === SECOND ? large : responseBytes('next'),
    })
    const client = await stand.connect()
    await client.send(get() + get([], { path: SECOND }))
    await until(() => stand.business().length === 2)
    client.reset()
    expect(await recovered(stand)).toBe('next')
  })

  it('while iSales works', async () => {
    const stand = await openStand({ respond: respond(NEVER) })
    const client = await stand.connect()
    await client.send(post('x'))
    await until(() => stand.business().length === 1)
    client.reset()
    expect(await recovered(stand)).toBe('next')
    expect(stand.business()).toHaveLength(2)
  })

  it('within the response', async () => {
    const stand = await openStand({
      respond: respond([`${OK}Content-Length: 10\r\n\r\nhello`, NEVER]),
    })
    const client = await stand.connect()
    await client.send(post('x'))
    await until(() => client.left().toString().endsWith('hello'))
    client.reset()
    expect(await recovered(stand)).toBe('next')
  })

  it('within a large response that it does not read', async () => {
    const stand = await openStand({
      respond: respond([`${OK}Content-Length: 20000000\r\n\r\n`, Buffer.alloc(20_000_000)]),
    })
    const client = await stand.connect()
    client.pause()
    await client.send(post('x'))
    await until(() => stand.business().length === 1)
    await delay(50)
    client.reset()
    expect(await recovered(stand)).toBe('next')
  })
})

describe('iSales leaves', () => {
  it.each([
    ['before the body, reset', [{ close: 'reset' }]],
    ['before the body, closed', [{ close: 'end' }]],
    ['before the body, gone', [{ close: 'destroy' }]],
  ] as const)('%s: 502, not sent again, and the upload is given up', async (_, steps) => {
    const stand = await openStand({
      onHead: ({ target }) => (target === PATH ? steps : []),
      respond: () => responseBytes('next'),
      env: { REPLAY_BODY_SIZE: '0' },
    })
    const client = await stand.connect()
    const bytes = chunkedPost(['x'.repeat(1000), 'y'.repeat(1000)])
    await client.send(bytes.slice(0, 1500))
    const response = await client.read()
    expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-broken', sent: 'unknown' })
    expect(response.header('connection')).toBe('close')
    await client.closed()
    expect(await recovered(stand)).toBe('next')
    expect(stand.business()).toHaveLength(1)
  })
})

describe('the client closes its side', () => {
  it('while iSales works: it is gone, and its request is ended', async () => {
    const stand = await openStand({ respond: respond(NEVER) })
    const client = await stand.connect()
    await client.send(post('x'))
    await until(() => stand.business().length === 1)
    client.end()
    expect((await client.closed()).left).toHaveLength(0)
    expect(await recovered(stand)).toBe('next')
  })

  it('while a connection is awaited: its request is never sent', async () => {
    const { stand, first, second } = await openQueue({ waitMs: 200 })
    await second.send(post('second'))
    await until(async () => (await stand.metric('requests_in_flight')) === 2)
    second.end()
    await until(inFlight(stand))
    expect(await first.read()).toMatchObject({ text: 'slow' })
    expect(await recovered(stand)).toBe('next')
    expect(stand.business().map(({ body }) => body.toString())).toEqual(['first', ''])
    first.destroy()
  })

  it.each([
    ['its request', post('x')],
    ['the beginning of a streamed body', chunkedPost(['x']).slice(0, -5)],
  ])('behind %s while a token is awaited: nothing is sent', async (_, bytes) => {
    const { stand, client, logIn } = await openWithoutToken()
    await client.send(bytes)
    await until(async () => (await stand.metric('token_waiters')) === 1)
    client.end()
    await until(async () => (await stand.metric('token_waiters')) === 0)
    logIn()
    expect(await recovered(stand)).toBe('next')
    expect(stand.business().map(({ body }) => body.toString())).toEqual([''])
  })

  it('within a response, which ends with the next bytes that nobody takes', async () => {
    const stand = await openStand({
      respond: respond([`${OK}\r\nhello`, { waitMs: 100 }, 'more', { waitMs: 50 }, 'more', NEVER]),
    })
    const client = await stand.connect()
    await client.send(post('x'))
    await until(() => client.left().toString().includes('hello'))
    client.destroy()
    expect(await recovered(stand)).toBe('next')
  })
})
