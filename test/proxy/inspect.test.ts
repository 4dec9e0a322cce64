import { describe, expect, it } from 'vitest'
import { createInspector, type InspectorConfig } from '../../src/proxy/response.ts'

const ISALES = 'https://service.example.com'
const CLIENT = 'http://127.0.0.1:8080'
const INTERFACE = '/interface'

function inspectorOf(changes: Partial<InspectorConfig> = {}) {
  const isalesRejected = { statuses: [401], results: ['7', 'expired'] }
  const config = { isalesUrl: ISALES, isalesRejected, isalesInterfacePath: INTERFACE }
  return createInspector({ ...config, ...changes }, 'http')
}

const rewriting = (isalesUrl = ISALES) =>
  inspectorOf({ isalesUrl, isalesRejected: { statuses: [401], results: [] } })

function inspect(
  body: string | Uint8Array,
  { inspector = inspectorOf(), path = '/tasks', authority = '127.0.0.1:8080' },
) {
  const request = { path, authority: authority === '' ? undefined : authority }
  const relayed = inspector.inspectBody(request, Buffer.from(body))
  if (relayed === 'rejected') return relayed
  return relayed.equals(Buffer.from(body)) ? 'relay' : relayed
}

it.each([
  ['POST', '/tasks', [true, false]],
  ['GET', INTERFACE, [true, true]],
  ['HEAD', INTERFACE, [false, false]],
  ['POST', '/interfaces', [true, false]],
])('what is inspected of %s %s, for a result and for a URL: %j', (method, path, wanted) => {
  const inspectors = [inspectorOf(), rewriting()]
  expect(inspectors.map((one) => one.needsInspection(method, path))).toEqual(wanted)
})

it.each([
  ['{"result":7}', 'rejected'],
  ['{"result":"expired","resultData":{}}', 'rejected'],
  [' {\n"result" : 7.0 }', 'rejected'],
  ['{"result":0}', 'relay'],
  ['{"result":"Expired"}', 'relay'],
  ['{"result":[7]}', 'relay'],
  ['{"resultData":{"result":7}}', 'relay'],
  ['[{"result":7}]', 'relay'],
  ['{"result":7', 'relay'],
  ['<result>7</result>', 'relay'],
  ['\ufeff{"result":7}', 'relay'],
])('a body is inspected for a result, %s: %s', (body, verdict) => {
  expect(inspect(body, {})).toBe(verdict)
})

describe('a response with URLs of iSales', () => {
  const rewrite = (body: string | Uint8Array, isalesUrl = ISALES) => {
    const verdict = inspect(body, { inspector: rewriting(isalesUrl), path: INTERFACE })
    return Buffer.isBuffer(verdict) ? verdict.toString('latin1') : verdict
  }
  const quoted = (text: string): string => JSON.stringify({ getTask: text })

  it.each([
    ['a path', `${ISALES}/rest/x`, `${CLIENT}/rest/x`],
    ['a query', `${ISALES}?a=b`, `${CLIENT}?a=b`],
    ['any case', 'HTTPS://Service.EXAMPLE.com/x', `${CLIENT}/x`],
    ['the default port', `${ISALES}:443/x`, `${CLIENT}/x`],
    ['text around it', `see ${ISALES}/a or <${ISALES}/b>`, `see ${CLIENT}/a or <${CLIENT}/b>`],
  ])('gets the authority of the request in a URL with %s', (_, before, after) => {
    expect(rewrite(quoted(before))).toBe(quoted(after))
  })

  it.each([
    [String.raw`"https:\/\/service.example.com\/x"`, String.raw`"${CLIENT}\/x"`],
    [String.raw`"https:\u002f\u002Fservice.example.com/x"`, `"${CLIENT}/x"`],
    [`\xef\xbb\xbf"${ISALES}/x"`, `\xef\xbb\xbf"${CLIENT}/x"`],
    // Bytes that are not UTF-8, white space and order stay unchanged.
    [`{ "b" :\n"\xff${ISALES}/x" , "a":1.50}`, `{ "b" :\n"\xff${CLIENT}/x" , "a":1.50}`],
  ])('may write it in other ways: %s', (before, after) => {
    expect(rewrite(Buffer.from(before, 'latin1'))).toBe(after)
  })

  it.each([
    ['another port', `${ISALES}:8443/x`],
    ['a longer port', `${ISALES}:4430/x`],
    ['a longer host', `${ISALES}.evil.example/x`],
    ['a host with this end', 'https://myservice.example.com/x'],
    ['a host that fits a dot as a wildcard', 'https://serviceXexample.com/x'],
    ['a user of that name', `${ISALES}@evil.example/x`],
    ['another scheme', 'http://service.example.com/x'],
    ['a scheme with this end', 'xhttps://service.example.com/x'],
    ['a path', '/rest/isales/v1'],
    ['the bare host', 'service.example.com/x'],
  ])('keeps %s', (_, text) => {
    expect(rewrite(quoted(text))).toBe('relay')
  })

  it.each(['https://service.example.com:8443', 'http://[::1]:9000', 'http://[::1]'])(
    'is rewritten for exactly the origin of ISALES_URL: %s',
    (isalesUrl) => {
      expect(rewrite(quoted(`${isalesUrl}/x`), isalesUrl)).toBe(quoted(`${CLIENT}/x`))
      expect(rewrite(quoted(`${ISALES}/x`), isalesUrl)).toBe('relay')
    },
  )

  it.each([
    ['it is not JSON', `<a href="${ISALES}/x">`, {}],
    ['it is another response', quoted(ISALES), { path: '/tasks' }],
    ['the client sent no authority', quoted(ISALES), { authority: '' }],
  ])('is relayed unchanged if %s', (_, body, changes) => {
    const options = { inspector: rewriting(), path: INTERFACE, ...changes }
    expect(inspect(body, options)).toBe('relay')
  })
})
