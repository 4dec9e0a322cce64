import { afterAll, beforeAll, expect, it } from 'vitest'
import { responseBytes } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'
import { gate, get, openStand, PATH, post, type Stand } from '../proxy/stand.ts'

const SECOND = get([], { path: '/rest/isales/second' })
const OLD = `GET ${PATH} HTTP/1.0\r\n\r\n`

let stand: Stand
beforeAll(async () => {
  stand = await openStand({ shared: true })
})
afterAll(() => stand.stop())

it('pipelined requests get their responses in order, whatever the order in which iSales responds', async () => {
  const first = gate()
  stand.serve(({ target }) => [
    () => (target === PATH ? first.opened : undefined),
    responseBytes(target),
  ])
  const client = await stand.connect()
  await client.send(get() + SECOND + post('x'))
  await until(() => stand.business().length === 3)
  first.open()
  const texts = [await client.read(), await client.read(), await client.read()]
  expect(texts.map(({ text }) => text)).toEqual([PATH, '/rest/isales/second', PATH])
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

it('garbage behind a response in progress cuts nothing of it', async () => {
  const second = gate()
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'
  stand.serve([head, () => second.opened, 'world'])
  const client = await stand.connect()
  await client.send(get())
  await until(() => client.received() > 0)
  await client.send('GARBAGE\u0001\r\n\r\n')
  expect(await client.silent(50)).toBe(true)
  second.open()
  expect(await client.read()).toMatchObject({ status: 200, text: 'helloworld' })
  expect((await client.closed()).left.toString()).toMatch(/^HTTP\/1\.1 400 /)
  expect(stand.business()).toHaveLength(1)
})
