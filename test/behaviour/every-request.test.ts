// Every request is counted once, by its result: over raw sockets, in forms in which clients go wrong. `npm run truth` asks the same
// for faults of iSales. Failed TLS handshakes are in obs-listener.test.ts.
import { expect, test, vi } from 'vitest'
import { INTERFACE_PATHS, LOGIN_PATH, REFRESH_PATH } from '../../simulator/index.ts'
import { systemClock } from '../../src/clock.ts'
import { OUTCOMES, REFUSALS } from '../../src/codes.ts'
import { Exchange } from '../../src/upstream/exchange.ts'
import { call } from '../support/call.ts'
import { freePort } from '../support/free-port.ts'
import { connectRaw, requestText, type RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { ACCOUNT, openWorld, REQUIRE, type World, type WorldOptions } from '../support/world.ts'

const TASKS = INTERFACE_PATHS.getTask
const post = (path: string = TASKS, fields: readonly string[] = [], body = '{}'): string =>
  requestText(`POST ${path} HTTP/1.1`, ['Host: localhost', ...fields], body)
const get = (path: string = TASKS): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const head = (...fields: readonly string[]): string =>
  [`POST ${TASKS} HTTP/1.1`, 'Host: localhost', ...fields, '', ''].join('\r\n')
const CHUNKED = head('Transfer-Encoding: chunked')
const OWN = `http://127.0.0.1:${await freePort()}`

/** Returns the counts of outcomes and causes, such as `answered answered`. */
async function counted({ admin }: World): Promise<Readonly<Record<string, number>>> {
  const { text } = await call(`${admin}/metrics`)
  const series = text.matchAll(
    /^isales_proxy_requests_total\{outcome="([\w-]+)",cause="([\w-]+)"\} (\d+)$/gm,
  )
  const all = Array.from(series, ([, outcome, cause, count]) => [
    `${outcome} ${cause}`,
    Number(count),
  ])
  return Object.fromEntries(all.filter(([, count]) => count !== 0)) as Record<string, number>
}

interface Traffic {
  readonly options?: WorldOptions
  readonly send: (client: RawClient, world: World) => Promise<unknown>
  /** Statuses of the responses that are read, in order. Default: none. */
  readonly statuses?: readonly number[]
  /** Number of calls that iSales executes. Default: 0. */
  readonly executed?: number
  /** All counts. */
  readonly counts: Readonly<Record<string, number>>
}

/** Statuses, and errors of the proxy, that the current test has read. */
let statuses: number[] = []
let problems: unknown[] = []

const read = async (client: RawClient, bytes = ''): Promise<void> => {
  if (bytes !== '') await client.send(bytes)
  const { status, text, header } = await client.read()
  statuses.push(status)
  if (header('content-type') === 'application/problem+json') problems.push(JSON.parse(text))
}

/** A request, the status of its response, and its outcome and cause. */
const REFUSED: Readonly<Record<string, readonly [bytes: string, status: number, as: string]>> = {
  'a POST outside ALLOWED_PATHS': [post('/elsewhere'), 403, 'refused other-path'],
  'a GET outside ALLOWED_PATHS': [get('/elsewhere'), 403, 'stray other-path'],
  'another Host': [post().replace('localhost', 'other.example'), 421, 'refused other-host'],
  'a POST with Origin': [post(TASKS, ['Origin: null']), 403, 'refused browser'],
  'a browser': [get().replace('Host', 'Origin: null\r\nHost'), 403, 'stray browser'],
  'HTTP/0.9': [`GET ${TASKS}\r\n\r\n`, 400, 'stray bad-request'],
  'a body that is too large': [post(TASKS, [], 'x'.repeat(2000)), 413, 'refused too-large'],
  'chunks that are too large': [
    `${CHUNKED}800\r\n${'x'.repeat(2048)}\r\n`,
    413,
    'refused too-large',
  ],
  'a broken chunk': [`${CHUNKED}2\r\n{}\r\nzz\r\n`, 400, 'refused bad-request'],
  'a body that stops': [`${head('Content-Length: 100')}{`, 408, 'refused request-timeout'],
  'bytes that are not HTTP': ['garbage\r\n\r\n', 400, 'stray bad-request'],
  'a POST with a malformed head': [head('Content-Length: x'), 400, 'refused bad-request'],
  TLS: ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'stray tls-to-http'],
}

const TRAFFIC: Readonly<Record<string, Traffic>> = {
  'a call in chunks, and one with Expect': {
    send: async (client) => {
      await read(client, `${CHUNKED}2\r\n{}\r\n0\r\n\r\n`)
      await client.send(head('Expect: 100-continue', 'Content-Length: 2'))
      await client.readInterim()
      await read(client, '{}')
    },
    statuses: [200, 200],
    executed: 2,
    counts: { 'answered answered': 2 },
  },
  'a tunnel': {
    send: (client) => client.send('CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n'),
    counts: { 'stray method-not-allowed': 1 },
  },
  'a client that vanishes behind half a body, with a FIN and with a RST': {
    send: async (client, world) => {
      await client.send(`${head('Content-Length: 100')}{`)
      client.end()
      await read(client)
      const other = await connectRaw(world)
      await other.send(head('Expect: 100-continue', 'Transfer-Encoding: chunked'))
      await other.readInterim()
      await other.send('64\r\n{')
      other.reset()
    },
    statuses: [400],
    counts: { 'stray half-sent': 2 },
  },
  'a proxy in front of itself': {
    options: { env: { LISTEN: new URL(OWN).host, ISALES_URL: OWN } },
    send: (client) => read(client, post()),
    statuses: [508],
    counts: { 'granted login': 1, 'refused loop-detected': 1, 'failed loop-detected': 1 },
  },
  'half a call on the connection that the limit closes': {
    options: { config: { listenMaxConnections: 1 } },
    send: async (client, world) => {
      await client.send(`${head('Content-Length: 100')}{`)
      await connectRaw(world)
      await client.closed()
    },
    counts: { 'refused overloaded': 1 },
  },
  'a connection that the limit closes while its client leaves it open behind the last response': {
    options: { config: { listenMaxConnections: 3 } },
    send: async (client, world) => {
      // The client sees no end, and closes nothing.
      client.socket.pause()
      await client.send(post(TASKS, ['Connection: close']))
      await until(async () => (await counted(world))['answered answered'] === 1)
      for (let n = 0; n < 3; n += 1) await read(await connectRaw(world), post())
    },
    statuses: [200, 200, 200],
    executed: 4,
    counts: { 'answered answered': 4 },
  },
  'calls that begin at the limit while connections are open behind their last response': {
    options: { config: { listenMaxConnections: 4 } },
    send: async (client, world) => {
      for (const over of [client, await connectRaw(world)]) {
        over.socket.pause()
        await over.send(post(TASKS, ['Connection: close']))
      }
      await until(async () => (await counted(world))['answered answered'] === 2)
      const others = [await connectRaw(world), await connectRaw(world), await connectRaw(world)]
      for (const other of others) await other.send(post().slice(0, 20))
      for (const other of others) await read(other, post().slice(20))
    },
    statuses: [200, 200, 200],
    executed: 5,
    counts: { 'answered answered': 5 },
  },
  'a malformed chunk in the packet of its Expect': {
    send: async (client) => {
      await read(client, `${head('Expect: 100-continue', 'Transfer-Encoding: chunked')}zz\r\n`)
      expect((await client.closed()).left).toHaveLength(0)
    },
    statuses: [400],
    counts: { 'refused bad-request': 1 },
  },
  'logins, refreshes and tickets of CTI-OBS': {
    options: { env: REQUIRE },
    send: async (_, world) => {
      const send = async (bytes: string) => read(await connectRaw(world), bytes)
      const { refreshToken } = await world.logIn()
      await send(post(REFRESH_PATH, [], JSON.stringify({ refreshToken })))
      await send(post(LOGIN_PATH, [], JSON.stringify({ ...ACCOUNT, passwd: 'wrong' })))
      await send(post(LOGIN_PATH, [], 'x'.repeat(3000)))
      await send(post(REFRESH_PATH, [], '{"refreshToken":"old"}'))
      await send(get(LOGIN_PATH))
      await send(post())
      await send(get())
      const logged = world.lines.filter(({ event }) => event.startsWith('obs-log'))
      expect(logged.map((line) => [line.level, line.operation, line.reason].join(' '))).toEqual([
        'info login success',
        'info refresh success',
        'warn login rejected',
        'warn login malformed',
        'warn refresh rejected',
      ])
    },
    statuses: [200, 403, 400, 403, 405, 401, 401],
    counts: {
      'granted login': 1,
      'granted refresh': 1,
      'refused obs-login': 2,
      'refused not-logged-in': 2,
      'stray method-not-allowed': 1,
      'stray not-logged-in': 1,
    },
  },
  'a refresh that is answered before the end of its body, which is malformed': {
    send: async (client) => {
      const chunked = CHUNKED.replace(TASKS, REFRESH_PATH)
      await read(client, `${chunked}900\r\n${'x'.repeat(0x900)}\r\n`)
      await client.send('zz\r\n')
      expect((await client.closed()).left).toHaveLength(0)
    },
    statuses: [200],
    counts: { 'granted refresh': 1 },
  },
  'a login whose body breaks off, and one that vanishes': {
    options: { env: REQUIRE },
    send: async (client, world) => {
      await client.send(post(LOGIN_PATH, [], '{"user":"cti"}').slice(0, -5))
      client.end()
      await read(client)
      const other = await connectRaw(world)
      await other.send(post(LOGIN_PATH, ['Expect: 100-continue'], '{}').slice(0, -2))
      await other.readInterim()
      other.reset()
    },
    statuses: [400],
    counts: { 'stray half-sent': 2 },
  },
}

const SINGLE = Object.entries(REFUSED).map(([name, [bytes, status, as]]): [string, Traffic] => [
  name,
  {
    options: { env: { MAX_BODY_SIZE: '1KiB', CLIENT_DEADLINE: '200ms' } },
    send: (client) => read(client, bytes),
    statuses: [status],
    counts: { [as]: 1 },
  },
])

test.each([...SINGLE, ...Object.entries(TRAFFIC)])(
  '%s: counted once',
  async (_, { options = {}, send, counts, executed = 0, ...expected }) => {
    const printed = vi.spyOn(console, 'error')
    statuses = []
    problems = []
    const world = await openWorld(options)
    await send(await connectRaw(world), world)
    expect(statuses).toEqual(expected.statuses ?? [])
    expect(problems).toEqual(problems.map(() => expect.objectContaining({ sent: 'no' })))
    const sum = (all: Readonly<Record<string, number>>) =>
      Object.values(all).reduce((total, count) => total + count, 0)
    await until(async () => sum(await counted(world)) >= sum(counts))
    await until(async () => (await world.metric('isales_proxy_requests_in_flight')) === 0)
    expect(await counted(world)).toEqual(counts)
    expect(world.sim.requests()).toHaveLength(executed)
    expect(printed).not.toHaveBeenCalled()
    // The page has the same counts.
    const { calls } = (await world.status()).groups
    const minute = OUTCOMES.map((outcome) => Number(calls[outcome] ?? 0))
    expect(minute.reduce((total, count) => total + count, 0)).toBe(sum(counts))
  },
)

const linesOf = (world: World, name: string) => world.lines.filter(({ event }) => event === name)

test('a refused request is logged with its reason, but not timed, and is in the access log without its query', async () => {
  const world = await openWorld({ env: { LOG_LEVEL: 'debug' } })

  const { status, json } = await world.request('/elsewhere?passwd=canary')
  const { problem: code, detail } = REFUSALS['other-path']
  expect([status, json]).toMatchObject([403, { code, detail, sent: 'no' }])

  const refused = { reason: 'other-path', code, count: 1, requestId: json['requestId'] }
  expect(linesOf(world, 'client-refused')).toMatchObject([refused])
  expect(await world.metric('isales_proxy_request_duration_seconds_count')).toBe(0)
  const access = { method: 'GET', path: '/elsewhere', status: 403, code, outcome: 'stray' }
  expect(linesOf(world, 'access')).toMatchObject([access])
})

test('a failed request is logged with its method, path, durations and attempts, and never its query', async () => {
  const world = await openWorld({ env: { LOG_LEVEL: 'debug' } })
  world.sim.reset({ operation: 'business' })

  const { json } = await world.post(`${INTERFACE_PATHS.getTask}?passwd=canary`, {})

  const [line, ...more] = linesOf(world, 'access')
  expect(line).toMatchObject({
    method: 'POST',
    path: INTERFACE_PATHS.getTask,
    status: 502,
    outcome: 'failed',
    cause: 'connection-lost',
    code: 'upstream-broken',
    requestId: json['requestId'],
    durationMs: expect.any(Number),
    attempts: 1,
  })
  expect(JSON.stringify([line, ...more])).not.toContain('canary')
  expect(more).toEqual([])
})

const throws = (): never => {
  throw new TypeError('a defect')
}

const CLIENT_DEADLINE = 2771

const clock = {
  ...systemClock,
  setTimer: (run: () => void, ms: number) =>
    ms === CLIENT_DEADLINE ? throws() : systemClock.setTimer(run, ms),
}

test.each([
  ['before it is forwarded', { clock }],
  ['when its response is there', {}],
])(
  'a defect of the proxy that a call meets %s is counted, logged and shown once',
  async (_name, defect) => {
    const world = await openWorld({ ...defect, env: { CLIENT_DEADLINE: `${CLIENT_DEADLINE}ms` } })
    vi.spyOn(Exchange.prototype, 'collected').mockImplementation(throws)
    const { status, json, text } = await world.tasks()
    expect([status, json]).toMatchObject([500, { code: 'internal', sent: 'unknown' }])
    expect(text).not.toContain('defect')

    const unexpected = world.lines.filter(({ event }) => event === 'unexpected')
    expect(unexpected).toMatchObject([{ requestId: json['requestId'] }])
    const counted = 'isales_proxy_requests_total{outcome="failed",cause="internal"}'
    expect(await world.metric(counted)).toBe(1)
    const { groups, failedCalls } = await world.status()
    expect(groups.calls).toMatchObject({ callsInMinute: 1, failed: 1 })
    expect(failedCalls).toMatchObject([{ cause: 'internal' }])
    await until(async () => (await world.metric('isales_proxy_requests_in_flight')) === 0)
  },
)
