import { expect, it } from 'vitest'
import { responseBytes, type Step } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { get, openStrictWorld, post, shareStrictWorld } from '../support/strict-world.ts'

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`

const world = shareStrictWorld({ limits: { bodyIdleTimeout: 1000 } })

const broken = () => world.metric('requests_total{outcome="failed"}')

it.each<[string, Step | readonly Step[]]>([
  ['garbage', 'GARBAGE\r\n\r\n'],
  ['another protocol', 'ICY 200 OK\r\n\r\n'],
  ['HTTP/0.9', '<html>'],
  ['an unknown version', 'HTTP/7.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok'],
  ['a status below 100', 'HTTP/1.1 042 OK\r\nContent-Length: 2\r\n\r\nok'],
  ['a switch of protocols', 'HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw'],
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
  ['33 KiB of headers', `${OK}X: ${'x'.repeat(33 * 1024)}\r\nContent-Length: 2\r\n\r\nok`],
  ['200 headers and a length', `${OK}${'X:y\r\n'.repeat(200)}Content-Length: 2\r\n\r\nok`],
  ['300 interim headers', `HTTP/1.1 103 X\r\n${'X:y\r\n'.repeat(300)}\r\n${responseBytes('ok')}`],
  ['half a head', [`${OK}X: y\r\n`, { close: 'end' }]],
  ['half a head, reset', [`${OK}X: y\r\n`, { close: 'reset' }]],
  ['an interim response only', ['HTTP/1.1 103 Early Hints\r\n\r\n', { close: 'end' }]],
  // undici does not support Expect, and the request never continues.
  ['a 100 Continue', `HTTP/1.1 100 Continue\r\n\r\n${responseBytes('ok')}`],
  ['nothing', [{ close: 'end' }]],
])('an invalid response is a 502 that may have been executed: %s', async (_, steps) => {
  world.serve(steps)
  const before = await broken()
  const response = await world.exchange(post('x'))
  expect(response.status).toBe(502)
  expect(JSON.parse(response.text)).toMatchObject({ code: 'upstream-broken', sent: 'unknown' })
  expect(world.business()).toHaveLength(1)
  await until(async () => (await broken()) === before + 1)
})

it.each<[string, readonly Step[], string | undefined]>([
  ['short of its length', [`${OK}Content-Length: 10\r\n\r\nhello`, { close: 'end' }], '1.0'],
  ['short, reset', [`${OK}Content-Length: 10\r\n\r\nhello`, { close: 'reset' }], undefined],
  ['before the first byte', [`${OK}Content-Length: 10\r\n\r\n`, { close: 'end' }], undefined],
  ['between chunks', [`${CHUNKED}5\r\nhello\r\n`, { close: 'end' }], '1.0'],
  ['within a chunk', [`${CHUNKED}9\r\nhello`, { close: 'end' }], undefined],
  ['before the last line', [`${CHUNKED}5\r\nhello\r\n0\r\n`, { close: 'end' }], undefined],
  ['by an invalid chunk', [`${CHUNKED}5\r\nhello\r\nzz\r\n`], undefined],
  ['by a reset', [`${OK}\r\nhello`, { waitMs: 30 }, { close: 'reset' }], '1.0'],
  ['by silence', [`${OK}Content-Length: 10\r\n\r\nhello`, { waitMs: 4000 }, 'world'], undefined],
])('a response that is cut %s destroys the connection of the client', async (_, steps, other) => {
  world.serve(steps)
  const before = await broken()
  const client = await world.connect()
  await client.send(post('x'))
  await expect(client.read()).rejects.toThrow(/the connection (?:broke|ended) in the body/)
  expect(world.business()).toHaveLength(1)
  await until(async () => (await broken()) === before + 1)
  if (other === undefined) return
  // For an HTTP/1.0 client, the connection's end is also the response's end, so it is reset.
  const old = await world.connect()
  await old.send(get().replace('HTTP/1.1', 'HTTP/1.0'))
  await expect(old.closed()).resolves.toMatchObject({ reset: true })
})

it('a failed call has the cause and the duration of its last attempt only', async () => {
  const own = await openStrictWorld()
  const cut = [{ close: 'end' }] as const
  const steps: Step[][] = [[responseBytes('no', { status: '401 No' })], [...cut]]
  own.serve(() => steps.shift() ?? [])
  expect((await own.exchange(post('x'))).status).toBe(502)
  await until(async () => (await own.metric('requests_total{outcome="failed"}')) === 1)
  expect(await own.metric('upstream_duration_seconds_count')).toBe(0)

  steps.push([...cut], [`${OK}Content-Length: 10\r\n\r\nhello`, ...cut])
  const client = await own.connect()
  await client.send(get())
  await expect(client.read()).rejects.toThrow(/the connection ended in the body/)
  const broken = 'requests_total{outcome="failed",cause="upstream-broken"}'
  await until(async () => (await own.metric(broken)) === 1)
})

it.each<[string, (first: string, poison: string) => readonly Step[]]>([
  ['in the packet of a response', (first, poison) => [first + poison]],
  ['while the connection is idle', (first, poison) => [first, { waitMs: 20 }, poison]],
])('bytes that come %s are not taken for the next response', async (_, steps) => {
  // A separate server, because connections of the tests above may still be closing.
  const own = await openStrictWorld()
  const poison = responseBytes('poison', { status: '200 Evil' })
  const [first, second] = [steps(responseBytes('first'), poison), responseBytes('second')]
  own.serve(({ method }) => (method === 'POST' ? first : second))
  const closed = (): number => own.upstream.connections() - own.upstream.open()
  const before = closed()
  const client = await own.connect()
  await client.send(post('x'))
  expect(await client.read()).toMatchObject({ text: 'first' })
  await until(() => closed() > before)
  await client.send(get())
  expect(await client.read()).toMatchObject({ reason: 'OK', text: 'second' })
})
