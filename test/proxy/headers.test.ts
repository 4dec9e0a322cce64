import { describe, expect, it } from 'vitest'
import {
  createRequestHeaders,
  relayedHead,
  type OutgoingRequest,
  withLength,
} from '../../src/proxy/headers.ts'
import { remembered } from '../../src/remembered.ts'

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
  it('keep their order, case, repetition and values', () => {
    const trace = ['traceparent', '00-4bf92f3577b34da6-00f067aa-01', 'TraceState', 'obs=1,other=2']
    const lines = ['x-B', '1', 'Link', 'a=b', 'X-b', '', 'Accept-Encoding', 'br', 'link', 'c=d']
    const fields = [...lines, ...trace]
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
    [['X-Token'], ['Authorization', 'Authentication', 'X-Token']],
    [['X-Auth-Token'], ['X_Auth_Token', 'X-Auth_Token', 'x_auth-token', 'x-auth-token']],
    [['x_auth_token'], ['X-Auth-Token', 'x_auth-token', 'X_AUTH_TOKEN']],
  ])('carry the token in %j only as we put it there', (tokenHeaders, names) => {
    const inbound = names.flatMap((name) => [name, 'evil'])
    expect(sent(inbound, { tokenHeaders })).toEqual([...VIA, tokenHeaders[0], 'Bearer good'])
  })

  it('carry the token once in each token header, as it is written last', () => {
    const tokenHeaders = ['Authorization', 'Authentication', 'authorization']
    const tokens = ['authorization', 'Bearer good', 'Authentication', 'Bearer good']
    expect(sent([], { tokenHeaders })).toEqual([...VIA, ...tokens])
  })

  it('say the version that the client spoke', () => {
    expect(sent(['A', 'b'], { httpVersion: '1.0' })).toContain('1.0 us')
  })

  it('of gateways and of a site pass: a proxy forwards what it does not know', () => {
    const fields = ['X-Forwarded-For', '10.0.0.1', 'X-Session-Id', '7', 'Token', 'x', 'X-Site', 'a']
    expect(sent(fields)).toEqual([...fields, ...ADDED])
  })
})

it('a response that is inspected may come in no coding that the client accepts', () => {
  const fields = ['Accept-Encoding', 'gzip', 'A', 'b', 'ACCEPT-ENCODING', 'br']
  const own = [...VIA, 'Accept-Encoding', 'identity', 'Authorization', 'Bearer good']
  expect(sent(fields, { inspected: true })).toEqual(['A', 'b', ...own])
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

  it.each(['Keep-Alive', 'Proxy-Authenticate', 'TE', 'Trailer', 'UPGRADE'])(
    'end here: %s',
    (name) => {
      expect(received([name, 'x', 'A', 'b']).headers).toEqual(['A', 'b', 'X-Request-Id', 'id-1'])
    },
  )

  it('that give the client a session of iSales are dropped', () => {
    const fields = ['Set-Cookie', 'JSESSIONID=1; HttpOnly', 'set-cookie', 'b=2', 'Set-Cookie2', 'c']
    expect(received([...fields, 'A', 'b']).headers.slice(0, 2)).toEqual(['A', 'b'])
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
    // In quadratic time it would be past the limit of a test.
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

it('a result is remembered: 256 texts of 256 characters at most, however many a client sends', () => {
  let computed = 0
  const lengthOf = remembered((text) => {
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
