import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { respondOk, GET, responsesOf, startListener } from './support.ts'

/** As Java's default HTTP client sends it on each request. */
const FIELDS =
  'Connection: Upgrade, HTTP2-Settings\r\nHost: x\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\nUpgrade: h2c\r\n'
const UPGRADE = `GET /u HTTP/1.1\r\n${FIELDS}\r\n`
const upgradePost = (body: string) =>
  `POST /u HTTP/1.1\r\n${FIELDS}Content-Length: ${body.length}\r\n\r\n${body}`

function readAndRespond(...[request, response]: Parameters<typeof respondOk>): void {
  request.resume().on('end', () => respondOk(request, response))
}

test.each([
  ['without a body', () => [UPGRADE]],
  ['with a body', (n: number) => [upgradePost('x'.repeat(n))]],
  ['with a body that comes later', () => [upgradePost('').replace('Length: 0', 'Length: 2'), 'hi']],
])('requests %s that ask to upgrade share a connection', async (_name, packets) => {
  const { port } = await startListener(readAndRespond)
  const client = await connectRaw({ port })
  for (let n = 0; n < 200; n += 1) {
    for (const packet of packets(n)) await client.send(packet)
    const response = await client.read()
    expect([response.status, response.header('connection')]).toEqual([200, 'keep-alive'])
  }
  client.destroy()
})

test.each([
  ['another request', GET],
  ['a few bytes', 'x'],
])(
  '%s in one packet behind such a request: the response closes the connection',
  async (_, more) => {
    const urls: string[] = []
    const { port } = await startListener((request, response) => {
      urls.push(request.url ?? '')
      respondOk(request, response)
    })
    const client = await connectRaw({ port })
    await client.send(`${UPGRADE}${more}`)
    const responses = await responsesOf(client)
    expect(responses.map((one) => [one.status, one.header('connection')])).toEqual([[200, 'close']])
    expect(urls).toEqual(['/u'])
  },
)

test('a request in chunks, whose length is not known, closes the connection', async () => {
  const { port } = await startListener(readAndRespond)
  const client = await connectRaw({ port })
  await client.send(
    `POST /u HTTP/1.1\r\n${FIELDS}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
  )
  expect((await responsesOf(client))[0]?.header('connection')).toBe('close')
})

test('in a drain the response closes the connection', async () => {
  const { port, listener } = await startListener(readAndRespond)
  listener.retire()
  const client = await connectRaw({ port })
  await client.send(UPGRADE)
  expect((await responsesOf(client))[0]?.header('connection')).toBe('close')
})
