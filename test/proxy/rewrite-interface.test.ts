import { assert, json, property } from 'fast-check'
import { expect, test } from 'vitest'
import { rewriteInterface } from '../../src/proxy/rewrite-interface.ts'

const ISALES = 'https://service.example.com'
const CLIENT = 'http://127.0.0.1:8080'
const rewrite = (text: string, isales = ISALES): string =>
  rewriteInterface(Buffer.from(text), isales, CLIENT).toString()
const quoted = (text: string): string => JSON.stringify({ getTask: text })

test.each([
  ['a path behind it', `${ISALES}/rest/x`, `${CLIENT}/rest/x`],
  ['nothing behind it', ISALES, CLIENT],
  ['a query behind it', `${ISALES}?a=b`, `${CLIENT}?a=b`],
  ['any case', 'HTTPS://Service.EXAMPLE.com/x', `${CLIENT}/x`],
  ['the default port', `${ISALES}:443/x`, `${CLIENT}/x`],
  ['text around it', `see ${ISALES}/a or <${ISALES}/b>`, `see ${CLIENT}/a or <${CLIENT}/b>`],
])('an absolute URL with %s is rewritten', (_name, before, after) => {
  expect(rewrite(quoted(before))).toBe(quoted(after))
})

test.each([
  [
    'escaped solidi',
    String.raw`"https:\/\/service.example.com\/rest"`,
    String.raw`"${CLIENT}\/rest"`,
  ],
  ['solidi as code points', String.raw`"https:\u002f\u002Fservice.example.com/x"`, `"${CLIENT}/x"`],
])('and with %s', (_name, before, after) => {
  expect(rewrite(before)).toBe(after)
})

test.each([
  ['another port', `${ISALES}:8443/x`],
  ['a longer port', `${ISALES}:4430/x`],
  ['a longer host', `${ISALES}.evil.example/x`],
  ['a host that only ends so', 'https://myservice.example.com/x'],
  ['a host that fits a dot as a wildcard', 'https://serviceXexample.com/x'],
  ['a user of that name', `${ISALES}@evil.example/x`],
  ['another scheme', 'http://service.example.com/x'],
  ['a scheme that only ends so', 'xhttps://service.example.com/x'],
  ['a path', '/rest/isales/v1'],
  ['the bare host', 'service.example.com/x'],
])('%s is left alone', (_name, text) => {
  expect(rewrite(quoted(text))).toBe(quoted(text))
})

test('with a port of its own, only that port is iSales', () => {
  const isales = 'https://service.example.com:8443'
  expect(rewrite(quoted(`${isales}/x`), isales)).toBe(quoted(`${CLIENT}/x`))
  expect(rewrite(quoted(`${ISALES}/x`), isales)).toBe(quoted(`${ISALES}/x`))
})

test('an IPv6 origin is one as well', () => {
  const isales = 'http://[::1]:9000'
  expect(rewrite(quoted(`${isales}/x`), isales)).toBe(quoted(`${CLIENT}/x`))
})

test('what is not JSON does not change', () => {
  const html = `<a href="${ISALES}/x">`
  expect(rewrite(html)).toBe(html)
})

test('bytes that are no UTF-8, white space and order stay as they are', () => {
  const before = Buffer.from(`{ "b" :\n"\xff${ISALES}/x" , "a":1.50}`, 'latin1')
  const after = Buffer.from(`{ "b" :\n"\xff${CLIENT}/x" , "a":1.50}`, 'latin1')
  expect(rewriteInterface(before, ISALES, CLIENT).equals(after)).toBe(true)
})

test('JSON without iSales’ host comes out byte for byte', () => {
  assert(
    property(json(), (text) => {
      expect(rewrite(text)).toBe(text)
    }),
    { numRuns: 500 },
  )
})
