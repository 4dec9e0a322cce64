import { describe, expect, it } from 'vitest'
import {
  createRequestHeaders,
  headerValue,
  isHtml,
  replacedBodyHeaders,
  responseHeaders,
  type OutgoingRequest,
} from '../../src/proxy/headers.ts'

const ADDED = ['Via', '1.1 us', 'X-Request-Id', 'id-1', 'Authorization', 'Bearer good']

function outgoing(rawHeaders: readonly string[], changes: Partial<OutgoingRequest> = {}) {
  return {
    rawHeaders,
    httpVersion: '1.1',
    credential: 'Bearer good',
    requestId: 'id-1',
    contentLength: undefined,
    maxForwards: -1,
    ...changes,
  }
}

function sent(rawHeaders: readonly string[], tokenHeaders: readonly string[] = ['Authorization']) {
  return createRequestHeaders({ tokenHeaders, pseudonym: 'us' })(outgoing(rawHeaders))
}

describe('the headers of a request', () => {
  it('keep their order, case, repetition and values', () => {
    const fields = ['x-B', '1', 'Cookie', 'a=b', 'X-b', '', 'cookie', 'c=d', 'Accept', '*/*, x/y']
    expect(sent(fields)).toEqual([...fields, ...ADDED])
  })

  it.each([
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'Proxy-Authenticate',
    'Proxy-Authentication-Info',
    'Proxy-Authorization',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'HTTP2-Settings',
    'Host',
    'Content-Length',
    'Expect',
    'X-Request-Id',
    'Max-Forwards',
    'Authorization',
    'AUTHENTICATION',
    'Transfer_Encoding',
    'content_length',
    'X_Request_Id',
    'Authorization_',
    'Authorization.',
    '_authorization',
    'Auth-Orization',
    'X-Original-URL',
    'X-Rewrite-URL',
    'X_Rewrite_Url',
    'X-HTTP-Method-Override',
    'X-HTTP-Method',
    'X-Method-Override',
  ])('end here when they are called %s', (name) => {
    expect(sent(['A', 'b', name, 'x', 'C', 'd'])).toEqual(['A', 'b', 'C', 'd', ...ADDED])
  })

  it.each([
    ['one name', ['Connection', 'X-Gone']],
    ['a list', ['Connection', 'close, x-gone ,keep-alive']],
    ['two lines', ['Connection', 'keep-alive', 'connection', '\tX-GONE']],
    ['an empty member', ['Connection', ',,X-Gone,']],
  ])('are nominated away by %s', (_, connection) => {
    expect(sent(['X-Gone', '1', ...connection, 'x-gone', '2', 'X-Stays', '3'])).toEqual([
      'X-Stays',
      '3',
      ...ADDED,
    ])
  })

  it('are nominated by Connection only, and its options are no names', () => {
    const fields = ['X-Lists', 'x-stays', 'X-Stays', '1', 'Close', '2', 'Connection', 'close']
    expect(sent(fields)).toEqual([...fields.slice(0, 6), ...ADDED])
  })

  it('carry no credential of the client, whichever header the token is in', () => {
    const inbound = ['Authorization', 'evil', 'Authentication', 'evil', 'X-Token', 'evil']
    expect(sent(inbound, ['X-Token']).slice(4)).toEqual(['X-Token', 'Bearer good'])
  })

  it('of ours cannot be nominated away', () => {
    const connection = ['Connection', 'Authorization, Via, X-Request-Id, Content-Length, Host']
    expect(sent(['Via', '1.0 them', ...connection])).toEqual(ADDED)
  })

  it.each([
    [['X-Auth-Token'], ['X_Auth_Token', 'X-Auth_Token', 'x_auth-token', 'x-auth-token']],
    [['x_auth_token'], ['X-Auth-Token', 'x_auth-token', 'X_AUTH_TOKEN']],
  ])('carry the token in %j only as we put it there', (tokenHeaders, names) => {
    const inbound = names.flatMap((name) => [name, 'evil'])
    expect(sent(inbound, tokenHeaders).slice(4)).toEqual([tokenHeaders[0], 'Bearer good'])
  })

  it('carry the token once in each token header, as it is written last', () => {
    expect(sent([], ['Authorization', 'Authentication', 'authorization']).slice(4)).toEqual([
      'authorization',
      'Bearer good',
      'Authentication',
      'Bearer good',
    ])
  })

  it('say with which version the client came', () => {
    const make = createRequestHeaders({ tokenHeaders: [], pseudonym: 'us' })
    expect(make(outgoing(['Via', '1.1 a'], { httpVersion: '1.0' })).slice(0, 4)).toEqual([
      'Via',
      '1.1 a',
      'Via',
      '1.0 us',
    ])
  })

  it('tell the length of a body that is streamed', () => {
    const make = createRequestHeaders({ tokenHeaders: [], pseudonym: 'us' })
    const fields = make(outgoing(['Content-Length', '7'], { contentLength: '9' }))
    expect(fields.slice(4)).toEqual(['Content-Length', '9'])
  })

  it.each([
    [7, ['Max-Forwards', '6']],
    [1, ['Max-Forwards', '0']],
    [0, []],
    [-1, []],
  ])('count Max-Forwards %i down', (maxForwards, expected) => {
    const make = createRequestHeaders({ tokenHeaders: [], pseudonym: 'us' })
    expect(make(outgoing(['Max-Forwards', '9'], { maxForwards })).slice(4)).toEqual(expected)
  })
})

describe('the trace of a request', () => {
  const theirs = ['a', '1', 'traceparent', '00-theirs', 'Tracestate', 'x=1', 'TRACEPARENT', 'y']
  const sentWith = (trace: OutgoingRequest['trace']) =>
    createRequestHeaders({ tokenHeaders: [], pseudonym: 'us' })(outgoing(theirs, { trace }))

  it('passes as the client sent it when we do not trace', () => {
    expect(sentWith(undefined).slice(0, 8)).toEqual(theirs)
  })

  it.each([
    [true, ['a', '1', 'Tracestate', 'x=1']],
    [false, ['a', '1']],
  ])('is ours; tracestate goes on with it: %s', (keepState, kept) => {
    const headers = sentWith({ traceparent: '00-ours', keepState })
    expect(headers.slice(0, kept.length)).toEqual(kept)
    expect(headers.slice(-2)).toEqual(['traceparent', '00-ours'])
    expect(headers.filter((text) => text.toLowerCase() === 'traceparent')).toHaveLength(1)
    expect(headers.includes('Tracestate')).toBe(keepState)
  })
})

function received(
  fields: readonly string[],
  { status = 200, secret = '?' }: { status?: number; secret?: string } = {},
) {
  const raw = fields.map((field) => Buffer.from(field, 'latin1'))
  return responseHeaders(status, raw, (text) => text.includes(secret), 'id-1')
}

describe('the headers of a response', () => {
  it('keep their order, case, repetition and bytes', () => {
    const fields = [
      'set-cookie',
      'a=1',
      'X-b',
      '\u00e9\u00ff',
      'Set-Cookie',
      'b=2',
      'Location',
      '/x',
    ]
    expect(received(fields)).toEqual({
      headers: [...fields, 'X-Request-Id', 'id-1'],
      relayable: true,
    })
  })

  it.each(['Connection', 'Keep-Alive', 'Trailer', 'Upgrade', 'TE', 'Proxy-Authenticate'])(
    'end here when they are called %s',
    (name) => {
      expect(received([name, 'x']).headers).toEqual(['X-Request-Id', 'id-1'])
    },
  )

  it('are nominated away, and ours stands for theirs', () => {
    const fields = ['Connection', 'X-Gone', 'x-gone', '1', 'X-Request-Id', 'theirs', 'A', 'b']
    expect(received(fields).headers).toEqual(['A', 'b', 'X-Request-Id', 'id-1'])
  })

  const LONG = '0123456789abcdef'

  it('that carry a token are dropped whole', () => {
    const fields = [
      'X-Echo',
      `Bearer ${LONG}`,
      'Set-Cookie',
      `r=${LONG}x`,
      `X-${LONG}`,
      '',
      'A',
      'b',
    ]
    expect(received(fields, { secret: LONG }).headers.slice(0, 2)).toEqual(['A', 'b'])
  })

  it.each(['12 ', '12  '])('lose the spaces behind their value: %j', (value) => {
    expect(received(['Content-Length', value])).toMatchObject({
      headers: ['Content-Length', '12', 'X-Request-Id', 'id-1'],
    })
  })

  it.each([
    [200, true],
    [304, true],
    [205, true],
    [204, false],
    [103, false],
  ])('announce a length with %i: %s', (status, announced) => {
    const { headers } = received(['Content-Length', '12'], { status })
    expect(headers.includes('Content-Length')).toBe(announced)
  })

  it.each([
    ['chunked', true],
    ['Chunked', true],
    ['chunked ', true],
    ['chunked\t', false],
    ['gzip, chunked', false],
    ['gzip', false],
    ['identity', false],
    ['', false],
  ])('with Transfer-Encoding %j can be rebuilt: %s', (coding, relayable) => {
    expect(received(['Transfer-Encoding', coding])).toMatchObject({ relayable })
  })

  it('are read in time that grows with their length, whatever they hold', () => {
    const value = `x${' '.repeat(60_000)}y `
    // In quadratic time it would be past the limit of a test.
    for (let n = 0; n < 20; n += 1)
      expect(received(['X', value]).headers[1]).toBe(value.slice(0, -1))
  })

  it('with two Transfer-Encoding lines cannot be rebuilt', () => {
    const fields = ['Transfer-Encoding', 'chunked', 'transfer-encoding', 'chunked']
    expect(received(fields)).toMatchObject({ relayable: false })
  })
})

it.each([
  [103, false],
  [199, false],
  [200, true],
  [204, false],
  [304, true],
])('the headers of a %i keep a length only where it may have one: %j', (status, isKept) => {
  const { headers } = received(['Content-Length', '7', 'ETag', '"a"'], { status })
  const length = isKept ? ['Content-Length', '7'] : []
  expect(headers).toEqual([...length, 'ETag', '"a"', 'X-Request-Id', 'id-1'])
})

describe('the headers of another body', () => {
  it('say nothing of the former one', () => {
    const names = ['Content-Encoding', 'ETag', 'Content-MD5', 'Digest', 'Content-Digest']
    const gone = [...names, 'Repr-Digest', 'Accept-Ranges', 'Content-Length', 'content-length']
    const former = gone.flatMap((name) => [name, '7'])
    const kept = ['Content-Type', 'application/json', 'X-empty', '']
    expect(replacedBodyHeaders([...former, ...kept, ...former], 12)).toEqual([
      ...kept,
      'Content-Length',
      '12',
    ])
  })
})

describe('the value of a header', () => {
  it.each([
    [[], undefined],
    [['B', '1'], undefined],
    // A value is no name.
    [['B', 'a', 'C', '1'], undefined],
    [['A', '1'], '1'],
    [['B', '0', 'a', ''], ''],
    [['A', '1', 'B', '2', 'a', '3', 'A', '4'], '1, 3, 4'],
  ])('of %j is %j', (lines, value) => {
    expect(headerValue(lines, 'a')).toBe(value)
  })

  it.each([
    [['Content-Type', 'text/html'], true],
    [['content-type', 'TEXT/HTML; charset=utf-8'], true],
    [['Content-Type', 'text/html5'], false],
    [['Content-Type', 'application/json; was=text/html'], false],
    [['Accept', 'text/html'], false],
    [[], false],
  ])('%j tells a page: %j', (lines, isPage) => {
    expect(isHtml(lines)).toBe(isPage)
  })
})
