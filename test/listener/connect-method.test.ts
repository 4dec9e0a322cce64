import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { responsesOf, respondOk, leaveThree, GET, startListener } from './support.ts'

const CONNECT = 'CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n'

test('CONNECT is refused and the connection closed', async () => {
  const { port, problems } = await startListener(respondOk)
  const client = await connectRaw({ port })
  await client.send(CONNECT)
  const [response] = await responsesOf(client)
  expect(response?.status).toBe(405)
  expect(response?.header('allow')).toMatch(/\bPOST\b/)
  expect(response?.header('allow')).not.toMatch(/CONNECT|TRACE/)
  expect(problems).toEqual(['method-not-allowed'])
})

test('CONNECT behind a request leaves the response in progress whole', async () => {
  const { port } = await startListener((request, response) => {
    setTimeout(() => respondOk(request, response), 20)
  })
  const client = await connectRaw({ port })
  await client.send(`${GET}${CONNECT}`)
  const responses = await responsesOf(client)
  expect(responses.map(({ status }) => status)).toEqual([200, 405])
})

test('a client that sends a CONNECT and leaves is noticed by each of its requests, once', async () => {
  const { held, closed } = await leaveThree(CONNECT)
  expect(closed).toEqual(held)
  expect(held.every(({ destroyed }) => destroyed)).toBe(true)
})
