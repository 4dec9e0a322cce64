import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LOGIN_PATH } from '../../simulator/index.ts'
import { responseBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { gate, get, openStand, PATH, post, type Stand } from '../proxy/stand.ts'

const SECOND = get([], { path: '/rest/isales/second' })
const OLD = `GET ${PATH} HTTP/1.0\r\n\r\n`

const LARGE = 'x'.repeat(100_000)

// In which order pipelined requests reach iSales is in rfc-fragmentation.test.ts.
let stand: Stand
beforeAll(async () => {
  stand = await openStand({ shared: true, env: { CLIENT_DEADLINE: '30s' } })
})
afterAll(() => stand.stop())

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
    const seen = [await stand.metric('requests_in_flight'), stand.business().length]
    client.destroy()
    first.open()
    await stand.idle()
    // A connection that is idle may end meanwhile.
    expect(after[0]).toBeLessThanOrEqual(connections)
    expect(after[1]).toBe(received)
    expect(seen).toEqual([1, 1])
  })

  it.each([
    ['of 15 KiB', get([`X-Padding: ${'x'.repeat(15 * 1024)}`]), 3],
    ['that are short', SECOND, 65],
  ])('heads %s of more than 32 KiB in one packet close the connection', async (_, head, count) => {
    serveLater()
    const client = await stand.connect()
    const before = await stand.metric('requests_refused_total{reason="pipelined"}')
    await client.send(get() + head.repeat(count))
    expect((await client.closed()).left).toHaveLength(0)
    await stand.idle()
    expect(stand.business().every(({ target }) => target === PATH)).toBe(true)
    expect(await stand.metric('requests_refused_total{reason="pipelined"}')).toBe(before + 1)
    expect(stand.log).toContainEqual(
      expect.objectContaining({ event: 'client-refused', reason: 'pipelined' }),
    )
  })
})

it('a login of CTI-OBS waits for its turn, too', async () => {
  const first = gate()
  const answering = await openStand({
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
