import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { answersOf, answerOk, leaveThree, GET, startListener } from './support.ts'

test('CONNECT is refused and the connection closed', async () => {
  const { port, problems } = await startListener(answerOk)
  const client = await connectRaw({ port })
  await client.send('CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n')
  expect((await answersOf(client)).map(({ status }) => status)).toEqual([403])
  expect(problems).toEqual(['not-allowed'])
})

test('CONNECT behind a request leaves the answer in flight whole, however large', async () => {
  const body = 'x'.repeat(4 * 1024 * 1024)
  const { port } = await startListener((_request, response) => {
    setTimeout(() => {
      response.writeHead(200, ['Content-Length', String(body.length)])
      response.write(body.slice(0, 1024 * 1024))
      response.once('drain', () => response.end(body.slice(1024 * 1024)))
    }, 20)
  })
  const client = await connectRaw({ port })
  await client.send(`${GET}CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n`)
  const answers = await answersOf(client)
  expect(answers.map(({ status, text }) => [status, text.length > 1000])).toEqual([
    [200, true],
    [403, false],
  ])
})

test('a client that sends a CONNECT and leaves is noticed by each of its requests, once', async () => {
  const { held, closed } = await leaveThree('CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n')
  expect(closed).toEqual(held)
  expect(held.every(({ destroyed }) => destroyed)).toBe(true)
})
