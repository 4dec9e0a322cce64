import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LOGIN_PATH } from '../../simulator/index.ts'
import { responseBytes, type RawRequest } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { chunkedPost, gate, get, openStand, PATH, post, type Stand } from '../proxy/stand.ts'

const SECOND = get([], { path: '/rest/isales/second' })
const OLD = `GET ${PATH} HTTP/1.0\r\n\r\n`

let stand: Stand
/** Requests whose head has reached iSales and that have no response yet, and the most there ever were. */
let open = 0
let most = 0
beforeAll(async () => {
  stand = await openStand({
    shared: true,
    env: { CLIENT_DEADLINE: '0' },
    onHead({ target }) {
      if (target !== LOGIN_PATH) open += 1
      most = Math.max(most, open)
      return []
    },
  })
})
afterAll(() => stand.stop())

/** Responds with the target, the first request of a connection later than the others. */
function echo({ target, method }: RawRequest) {
  const body = method === 'HEAD' ? '' : target
  return [
    { waitMs: target.endsWith('/0') ? 30 : 0 },
    () => void (open -= 1),
    responseBytes(body, { fields: [`X-Target: ${target}`] }),
  ]
}

const LARGE = 'x'.repeat(100_000)
const CHUNKS = ['x'.repeat(100), 'y'.repeat(3000)]
const SEQUENCES: readonly (readonly [string, readonly string[]])[] = [
  ['safe ones', [get(), get(), get()]],
  ['unsafe ones', [post('a'), post('b'), post('c')]],
  ['a safe one behind unsafe ones', [post('a'), post('b'), get()]],
  ['an unsafe one behind safe ones', [get(), get([], { method: 'HEAD' }), post('c'), get()]],
  ['empty ones', [post(''), get([], { method: 'DELETE' }), post('')]],
  ['one that expects 100', [post('a'), post('b'), post('c', ['Expect: 100-continue'])]],
  ['bodies in chunks', [chunkedPost(CHUNKS), post('b'), chunkedPost(CHUNKS), get()]],
  ['bodies that are streamed', [post(LARGE), chunkedPost([LARGE, LARGE]), post('c'), post(LARGE)]],
  ['more than may wait', Array.from({ length: 30 }, (_, n) => (n % 3 === 0 ? get() : post('x')))],
]
/** Bytes of a packet. */
const PACKETS = [Infinity, 20_000, 700, 1]

describe.each(SEQUENCES)('pipelined requests, %s', (_, templates) => {
  const requests = templates.map((bytes, n) => bytes.replace(PATH, `/rest/isales/${n}`))
  const targets = requests.map((_request, n) => `/rest/isales/${n}`)
  const bytes = requests.join('')
  // A turn of the event loop for each: a thousand packets are enough.
  const sizes = PACKETS.filter((size) => bytes.length / size < 1000)

  it.each(sizes)(
    'reach iSales in order, once and one at a time, and so do their responses (packets of %d)',
    async (size) => {
      stand.serve(echo)
      most = 0
      const client = await stand.connect()
      const sending = (async () => {
        for (let at = 0; at < bytes.length; at += size) {
          await client.send(bytes.slice(at, at + size))
          await new Promise(setImmediate)
        }
      })()
      for (const [n, target] of targets.entries()) {
        const [method = ''] = requests[n]?.split(' ') ?? []
        const response = await client.read({ method })
        expect([response.status, response.header('x-target')]).toEqual([200, target])
      }
      await sending
      expect(stand.business().map(({ target }) => target)).toEqual(targets)
      expect([most, open]).toEqual([1, 0])
      client.destroy()
    },
  )
})

it('a rejection and the replay of the first come before the second', async () => {
  let revoked = 0
  const revoking = await openStand({ revoked: () => revoked })
  revoked = 1
  const client = await revoking.connect()
  const requests = ['a', 'b', 'c'].map((body) => post(body))
  await client.send(requests.join('') + SECOND)
  for (let n = 0; n < 4; n += 1) expect((await client.read()).status).toBe(200)
  const seen = revoking.business().map((request) => {
    const { body, target } = request
    return [target === PATH ? body.toString() : 'second', request.header('authorization')]
  })
  expect(seen).toEqual([
    ['a', 'Bearer token-1'],
    ['a', 'Bearer token-2'],
    ['b', 'Bearer token-2'],
    ['c', 'Bearer token-2'],
    ['second', 'Bearer token-2'],
  ])
  client.destroy()
})

describe('behind a request that iSales keeps waiting', () => {
  /** The first request is that of PATH. */
  const serveLater = () => {
    const first = gate()
    stand.serve(({ target }) => [
      () => (target === PATH ? first.opened : undefined),
      responseBytes('next'),
    ])
    return first
  }

  /** A client whose first request iSales has. */
  async function waiting(behind: string) {
    open = 0
    const first = serveLater()
    const client = await stand.connect()
    await client.send(post('first') + behind)
    await until(() => stand.business().length === 1)
    return { client, first }
  }

  it.each([
    ['a head', SECOND],
    ['half a head', SECOND.slice(0, 20)],
    ['a body', post('x'.repeat(1000))],
    ['a body that is streamed', post(LARGE)],
    ['half a body', post(LARGE).slice(0, 80_000)],
  ])('%s waits, and takes no connection to iSales', async (_, behind) => {
    const { client, first } = await waiting(behind)
    const connections = stand.upstream.open()
    const received = stand.upstream.received()
    expect(await client.silent(50)).toBe(true)
    const after = [stand.upstream.open(), stand.upstream.received()] as const
    const seen = [await stand.metric('requests_in_flight'), open, stand.business().length]
    client.destroy()
    first.open()
    await stand.idle()
    // A connection that is idle may end meanwhile.
    expect(after[0]).toBeLessThanOrEqual(connections)
    expect(after[1]).toBe(received)
    expect(seen).toEqual([1, 1, 1])
  })

  it('no more is read than a few heads', async () => {
    const { client, first } = await waiting('')
    const head = get([`X-Padding: ${'x'.repeat(8000)}`])
    let sent = 0
    let blocked = false
    const send = async (): Promise<void> => {
      for (;;) {
        await client.send(head)
        sent += head.length
      }
    }
    send().catch(() => undefined)
    await until(async () => {
      const before = sent
      await client.silent(200)
      blocked = before === sent
      return blocked
    }, 10_000)
    // What the kernels hold of a connection on loopback is some MiB.
    expect(sent).toBeLessThan(12 * 1024 * 1024)
    client.destroy()
    first.open()
    await stand.idle()
  })

  it('more than 64 requests in one packet close the connection', async () => {
    serveLater()
    const client = await stand.connect()
    await client.send(get() + SECOND.repeat(70))
    expect((await client.closed()).left).toHaveLength(0)
    await stand.idle()
    expect(stand.business().every(({ target }) => target === PATH)).toBe(true)
    expect(await stand.metric('requests_refused_total{reason="pipelined"}')).toBe(1)
    expect(stand.log).toContainEqual(
      expect.objectContaining({ event: 'client-refused', reason: 'pipelined' }),
    )
  })
})

describe.each([
  ['after the head', ''],
  ['in the body', 'half'],
])('responses that iSales cuts %s', (_, half) => {
  it.each(['before', 'after'] as const)(
    'leave no request in flight (the client goes %s them)',
    async (when) => {
      const first = gate()
      const head = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'
      stand.serve(({ method }) =>
        method === 'GET'
          ? [() => first.opened, responseBytes('whole')]
          : [head + half, { waitMs: 10 }, { close: 'destroy' }],
      )
      const clients = await Promise.all([stand.connect(), stand.connect(), stand.connect()])
      for (const client of clients) await client.send(get() + post('a') + post('b'))
      await until(() => stand.business().length >= clients.length)
      await clients[0]?.silent(50)
      if (when === 'before') for (const client of clients) client.reset()
      first.open()
      const staying = when === 'after' ? clients : []
      const responses = await Promise.all(staying.map((client) => client.read()))
      expect(responses.map(({ text }) => text)).toEqual(staying.map(() => 'whole'))
      await Promise.all(clients.map((client) => client.closed()))
      await stand.idle()
    },
  )
})

it('a login of CTI-OBS waits for its turn, too', async () => {
  const first = gate()
  const answering = await openStand({
    env: { OBS_LOGIN: 'answer' },
    respond: () => [() => first.opened, responseBytes('first')],
  })
  const client = await answering.connect()
  const login = post('{"user":"cti","passwd":"x"}').replace(PATH, LOGIN_PATH)
  await client.send(post('x') + login + post('x'))
  await until(() => answering.business().length === 1)
  const logins = () => answering.metric('obs_logins_total{outcome="success"}')
  expect(await logins()).toBe(0)
  first.open()
  expect((await client.read()).text).toBe('first')
  expect((await client.read()).text).toContain('"token"')
  expect((await client.read()).text).toBe('first')
  expect(await logins()).toBe(1)
  client.destroy()
})

it.each([
  ['Connection: close', get(['Connection: close']), 200],
  ['the last request of HTTP/1.0', OLD, 200],
  ['an upgrade', get(['Connection: Upgrade', 'Upgrade: h2c']), 200],
  ['an empty transfer coding', post('').replace('Content-Length: 0', 'Transfer-Encoding:'), 400],
  ['another host', get().replace('Host: localhost', 'Host: evil.example'), 421],
  ['a path outside', get([], { path: '/x' }), 403],
  ['a path outside and a body', post('abc').replace(PATH, '/x'), 403],
  ['an expectation that is not known', post('abc', ['Expect: teapot']), 417],
])(
  'requests behind %s are not served, and cut nothing of its response',
  async (_, before, status) => {
    stand.serve([{ waitMs: 20 }, responseBytes('whole')])
    const client = await stand.connect()
    await client.send(before + SECOND)
    const response = await client.read()
    expect(response.status).toBe(status)
    expect(response.header('connection')).toBe('close')
    expect((await client.closed()).left).toHaveLength(0)
    expect(stand.business().map(({ target }) => target)).toEqual(status === 200 ? [PATH] : [])
  },
)
