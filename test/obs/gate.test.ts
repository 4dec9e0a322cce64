import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { createGate } from '../../src/obs/gate.ts'

const gate = createGate({
  verify: (ticket) => (ticket === 'good' ? 'valid' : 'invalid'),
  numbers: 'number',
})

test.each<[string, string[]]>([
  ['Authorization with Bearer', ['Authorization', 'Bearer good']],
  ['Authentication with Bearer', ['Authentication', 'Bearer good']],
  ['any case of field and scheme', ['AUTHORIZATION', 'bEARER good']],
  ['the bare ticket', ['authentication', 'good']],
  ['more spaces behind the scheme', ['Authorization', 'Bearer   good']],
  ['a bad one beside a good one', ['Authorization', 'Bearer bad', 'Authentication', 'good']],
  ['the second of two lines', ['Authorization', 'x', 'Authorization', 'Bearer good']],
  ['among other fields', ['Host', 'x', 'Content-Length', '1', 'Authorization', 'Bearer good']],
])('passes: %s', (_name, fields) => {
  expect(gate.passes(fields)).toBe(true)
})

test.each<[string, string[]]>([
  ['no field at all', []],
  ['another field of the same length', ['Authorisation', 'Bearer good']],
  ['a field with an underscore', ['Authorization_', 'Bearer good']],
  ['a forged ticket', ['Authorization', 'Bearer bad']],
  ['another scheme', ['Authorization', 'Basic good']],
  ['the scheme alone', ['Authorization', 'Bearer']],
  ['an empty value', ['Authorization', '']],
  ['two tickets in one value', ['Authorization', 'Bearer good, Bearer good']],
])('does not pass: %s', (_name, fields) => {
  expect(gate.passes(fields)).toBe(false)
})

test('the refusal has the published shape, asks for a ticket, and keeps the connection', async () => {
  const server = createServer((_request, response) => gate.refuse(response, 'request-1'))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{}' })
  expect(answer.status).toBe(401)
  expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  expect(answer.headers.get('x-request-id')).toBe('request-1')
  expect(answer.headers.get('connection')).toBe('keep-alive')
  expect(await answer.json()).toEqual({ result: 401, resultData: {} })
  const large = 'x'.repeat(64 * 1024 + 1)
  const refused = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: large })
  expect(refused.headers.get('connection')).toBe('close')
  server.close()
})
