import { describe, expect, it } from 'vitest'
import { createRequestHeaders, relayedHead, withLength } from '../../src/proxy/headers.ts'
import type { OutgoingRequest } from '../../src/proxy/headers.ts'
import { memoized } from '../../src/memoized.ts'

interface Sent extends Partial<OutgoingRequest> {
  readonly tokenHeaders?: readonly string[]
}

function sent(
  rawHeaders: readonly string[],
  { tokenHeaders = ['Authorization'], ...changes }: Sent = {},
) {
  return createRequestHeaders(
    tokenHeaders,
    'us',
  )({
    rawHeaders,
    httpVersion: '1.1',
    credential: 'Bearer good',
    requestId: 'id-1',
    inspected: false,
    ...changes,
  })
}

const VIA = ['Via', '1.1 us', 'X-Request-Id', 'id-1']
const ADDED = [...VIA, 'Authorization', 'Bearer good']

describe('the headers of a request', () => {
  it('keep their order, case, repetition and values, also if the proxy does not know them', () => {
    const trace = ['traceparent', '00-4bf92f3577b34da6-00f067aa-01', 'TraceState', 'obs=1,other=2']
    const lines = ['x-B', '1', 'Link', 'a=b', 'X-b', '', 'Accept-Encoding', 'br', 'link', 'c=d']
    const site = ['X-Forwarded-For', '10.0.0.1', 'X-Session-Id', '7', 'Token', 'x']
    const fields = [...lines, ...trace, ...site]
    expect(sent(fields)).toEqual([...fields, ...ADDED])
  })

  it.each([
    ['of one hop', 'Keep-Alive Proxy-Connection TE Trailer Upgrade HTTP2-Settings'],
    ['of a proxy', 'Proxy-Authenticate Proxy-Authentication-Info Proxy-Authorization'],
    ['of ours', 'Host Expect AUTHENTICATION Cookie'],
    ['of ours with other punctuation', 'Transfer_Encoding content_length X_Request_Id'],
    ['almost Authorization', 'Authorization_ Authorization. _authorization Auth-Orization'],
  ])('end here when they are %s: %s', (_, names) => {
    for (const name of names.split(' '))
      expect(sent(['A', 'b', name, 'x', 'C', 'd'])).toEqual(['A', 'b', 'C', 'd', ...ADDED])
  })

  it.each([
    ['one name', ['Connection', 'X-Gone']],
    ['a list', ['Connection', 'close, x-gone ,keep-alive']],
    ['two lines', ['Connection', 'keep-alive', 'connection', '\tX-GONE']],
    ['an empty member', ['Connection', ',,X-Gone,']],
  ])('are nominated away by %s', (_, connection) => {
    const fields = ['X-Gone', '1', ...connection, 'x-gone', '2', 'X-Stays', '3']
    expect(sent(fields)).toEqual(['X-Stays', '3', ...ADDED])
  })

  it('added by the proxy cannot be nominated away', () => {
    const connection = ['Connection', 'Authorization, Via, X-Request-Id, Content-Length, Host']
    expect(sent(['Via', '1.0 them', ...connection])).toEqual(ADDED)
  })

  it.each([
    [['X-Token'], ['Authorization', 'Authentication', 'X-Token'], ['X-Token']],
    [['X-Auth-Token'], ['X_Auth_Token', 'X-Auth_Token', 'x-auth-token'], ['X-Auth-Token']],
    [['x_auth_token'], ['X-Auth-Token', 'x_auth-token', 'X_AUTH_TOKEN'], ['x_auth_token']],
    [['Authorization', 'Authentication', 'authorization'], [], ['authorization', 'Authentication']],
  ])('in %j carry only our token, once', (tokenHeaders, names, carriers) => {
    const inbound = names.flatMap((name) => [name, 'evil'])
    const carried = carriers.flatMap((name) => [name, 'Bearer good'])
    expect(sent(inbound, { tokenHeaders })).toEqual([...VIA, ...carried])
  })

  it('have the HTTP version of the client in Via', () => {
    expect(sent(['A', 'b'], { httpVersion: '1.0' })).toContain('1.0 us')
  })
})

function received(fields: readonly string[], { status = 200 } = {}) {
  const rawHeaders = fields.map((field) => Buffer.from(field, 'latin1'))
  return relayedHead({ status, reason: '', rawHeaders }, 'id-1')
}

describe('the headers of a response', () => {
  it('keep their order, case, repetition and bytes', () => {
    const fields = ['link', 'a=1', 'X-b', '\u00e9\u00ff', 'Link', 'b=2']
    const headers = [...fields, 'X-Request-Id', 'id-1']
    expect(received(fields)).toMatchObject({ headers, relayable: true })
  })

  it('are nominated away, and ours replaces theirs', () => {
    const fields = ['Connection', 'X-Gone', 'x-gone', '1', 'X-Request-Id', 'theirs', 'A', 'b']
    expect(received(fields).headers).toEqual(['A', 'b', 'X-Request-Id', 'id-1'])
  })

  it.each([
    'Keep-Alive',
    'Proxy-Authenticate',
    'TE',
    'Trailer',
    'UPGRADE',
    'set-cookie',
    'Set-Cookie2',
  ])('without %s', (name) => {
    expect(received([name, 'x', 'A', 'b']).headers).toEqual(['A', 'b', 'X-Request-Id', 'id-1'])
  })

  it.each([
    [103, false],
    [199, false],
    [200, true],
    [204, false],
    [205, true],
    [304, true],
  ])('of a %i keep a length only where it may have one: %s', (status, isKept) => {
    const { headers } = received(['Content-Length', '7 ', 'ETag', '"a"  '], { status })
    const length = isKept ? ['Content-Length', '7'] : []
    expect(headers).toEqual([...length, 'ETag', '"a"', 'X-Request-Id', 'id-1'])
  })

  it.each([
    [['chunked'], true],
    [['Chunked'], true],
    [['chunked '], true],
    [['chunked\t'], false],
    [['gzip, chunked'], false],
    [['gzip'], false],
    [['identity'], false],
    [[''], false],
    [['chunked', 'chunked'], false],
  ])('with Transfer-Encoding %j can be rebuilt: %s', (codings, relayable) => {
    const fields = codings.flatMap((coding) => ['Transfer-Encoding', coding])
    expect(received(fields)).toMatchObject({ relayable, headers: ['X-Request-Id', 'id-1'] })
  })

  it('are read in time that grows with their length, for any content', () => {
    const value = `x${' '.repeat(60_000)}y `
    // In quadratic time, the test would time out.
    for (let n = 0; n < 20; n += 1)
      expect(received(['X', value]).headers[1]).toBe(value.slice(0, -1))
  })
})

it.each([
  [['content-type', 'TEXT/HTML; charset=utf-8'], 'TEXT/HTML; charset=utf-8'],
  [['Content-Type', 'text/html', 'Content-Type', 'application/json'], 'text/html'],
  [['Accept', 'text/html'], undefined],
])('of %j the media type is %s', (lines, type) => {
  expect(received(lines).contentType).toBe(type)
})

it('the headers of another body have its length', () => {
  const former = ['Content-Length', '7', 'A', '', 'content-length', '7']
  expect(withLength(former, 12)).toEqual(['A', '', 'Content-Length', '12'])
})

it('results are remembered for at most 256 texts of 256 characters', () => {
  let computed = 0
  const lengthOf = memoized((text) => {
    computed += 1
    return text.length
  })
  expect([lengthOf('host'), lengthOf('host'), lengthOf('Host')]).toEqual([4, 4, 4])
  expect(computed).toBe(2)
  for (let n = 2; n < 256; n += 1) lengthOf(`x-${n}`)
  lengthOf('host')
  expect(computed).toBe(256)
  lengthOf('one more')
  lengthOf('host')
  expect(computed).toBe(258)
  for (let n = 0; n < 2; n += 1) lengthOf('x'.repeat(257))
  expect(computed).toBe(260)
  for (let n = 0; n < 2; n += 1) lengthOf('x'.repeat(256))
  expect(computed).toBe(261)
})
