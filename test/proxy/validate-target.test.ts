import { describe, expect, it } from 'vitest'
import { validateRequest } from '../../src/proxy/validate.ts'
import { validated } from './validated.ts'
import { head, OPEN, RULES } from './request-head.ts'

describe('the target', () => {
  it.each([
    ['a fragment', '/rest/isales/a#b', 'bad-request'],
    ['a backslash', '/rest/isales/a\\b', 'bad-request'],
    ['a space', '/rest/isales/a b', 'bad-request'],
    ['a tab', '/rest/isales/a\tb', 'bad-request'],
    ['NUL', '/rest/isales/a\u0000b', 'bad-request'],
    ['DEL', '/rest/isales/a\u007fb', 'bad-request'],
    ['a byte over ASCII', '/rest/isales/\u00e9', 'bad-request'],
    ['a fragment in the query', '/rest/isales/a?b#c', 'bad-request'],
    ['nothing', '', 'bad-request'],
    ['no slash', 'rest/isales/', 'bad-request'],
    ['a star', '*', 'bad-request'],
    ['a star and more', '*/rest/isales/', 'bad-request'],
    ['another scheme', 'ftp://localhost/rest/isales/', 'bad-request'],
    ['a scheme that ends like ours', 'xhttp://localhost/rest/isales/', 'bad-request'],
    ['no authority', 'http:///rest/isales/', 'bad-request'],
    ['userinfo', 'http://u:p@localhost/rest/isales/', 'bad-request'],
    ['an authority alone', 'localhost:443', 'bad-request'],
    ['a strange authority', 'http://evil.example/rest/isales/', 'misdirected'],
    ['a path outside', '/rest/other/', 'not-allowed'],
    ['the prefix without its slash', '/rest/isales', 'not-allowed'],
    ['the prefix in another case', '/REST/isales/', 'not-allowed'],
    ['the prefix in the query', '/?/rest/isales/', 'not-allowed'],
    ['an encoded slash', '/rest/isales/..%2fx', 'not-allowed'],
    ['an encoded slash, upper case', '/rest/isales/a%2Fb', 'not-allowed'],
    ['an encoded backslash', '/rest/isales/a%5Cb', 'not-allowed'],
    ['an encoded dot', '/rest/isales/%2e%2E/x', 'not-allowed'],
    ['an encoded NUL', '/rest/isales/a%00', 'not-allowed'],
    ['an octet that is none', '/rest/isales/%u002e', 'not-allowed'],
    ['a % at the end', '/rest/isales/a%', 'not-allowed'],
    ['a % with one digit', '/rest/isales/a%4', 'not-allowed'],
    ['an empty segment', '/rest/isales//x', 'not-allowed'],
    ['an empty first segment', '//rest/isales/x', 'not-allowed'],
    ['a segment of parameters only', '/rest/isales/;a=b/x', 'not-allowed'],
    ['one up', '/rest/isales/../x', 'not-allowed'],
    ['one up at the end', '/rest/isales/..', 'not-allowed'],
    ['one up with a parameter', '/rest/isales/..;a=b/x', 'not-allowed'],
    ['this one', '/rest/isales/./x', 'not-allowed'],
    ['this one at the end', '/rest/isales/.', 'not-allowed'],
    ['this one with a parameter', '/rest/isales/.;a/x', 'not-allowed'],
    ['this one with an encoded parameter', '/rest/isales/.%3b/x', 'not-allowed'],
    ['an encoded parameter without a name', '/rest/isales/%3Ba/x', 'not-allowed'],
    ['a dot encoded twice', '/rest/isales/%252e%252e/x', 'not-allowed'],
    ['a slash encoded twice', '/rest/isales/..%252Fx', 'not-allowed'],
    ['a percent sign encoded twice', '/rest/isales/%25252e/x', 'not-allowed'],
    ['an overlong dot of two bytes', '/rest/isales/%c0%ae%C0%AE/x', 'not-allowed'],
    ['an overlong slash', '/rest/isales/..%c0%afx', 'not-allowed'],
    ['an overlong dot of three bytes', '/rest/isales/%e0%80%ae/x', 'not-allowed'],
    ['an overlong dot of four bytes', '/rest/isales/%F0%80%80%ae/x', 'not-allowed'],
    ['a path outside, absolute', 'http://localhost/x', 'not-allowed'],
  ])('with %s is refused', (_, target, refused) => {
    expect(validated(head({ method: 'GET', target }), RULES)).toEqual({ refused })
  })

  it.each([
    ['http://localhost/rest/isales/a?b=http://x//y', '/rest/isales/a?b=http://x//y'],
    ['HTTP://OBS.example:443/rest/isales/', '/rest/isales/'],
    ['http://[::1]:8080/rest/isales/', '/rest/isales/'],
    ['/rest/isales/.well-known', '/rest/isales/.well-known'],
    ['/rest/isales/a.b', '/rest/isales/a.b'],
    ['/rest/isales/%E4%BD%A0', '/rest/isales/%E4%BD%A0'],
    ['/rest/isales/%e0%a4%a0', '/rest/isales/%e0%a4%a0'],
    ['/rest/isales/100%25', '/rest/isales/100%25'],
    ['/rest/isales/a%3bb', '/rest/isales/a%3bb'],
    [`/rest/isales/!$&'()*+,;=:@-._~"<>[]^\`{|}`, `/rest/isales/!$&'()*+,;=:@-._~"<>[]^\`{|}`],
  ])('%s goes on as %s', (target, path) => {
    expect(validated(head({ target }), RULES)).toMatchObject({ target: path })
  })

  it.each([
    ['/rest/isales', '/rest/isales', true],
    ['/rest/isales', '/rest/isales?a', true],
    ['/rest/isales', '/rest/isales/a', true],
    ['/rest/isales', '/rest/isales-admin', false],
    ['/rest/isales', '/rest/isales;a', false],
    ['/rest/isales', '/rest/isales%61', false],
    ['/rest/isales/', '/rest/isales/', true],
    ['/rest/isales/', '/rest/isales', false],
  ])('the prefix %s opens %s: %s', (prefix, target, open) => {
    const rules = { ...RULES, allowedPaths: [prefix] }
    expect('refused' in validated(head({ target }), rules)).toBe(!open)
  })

  it('the absolute form is judged by its own authority, not by Host', () => {
    const rawHeaders = ['Host', 'evil.example']
    const target = 'http://localhost/rest/isales/'
    expect(validated(head({ target, rawHeaders }), RULES)).toMatchObject({
      authority: 'localhost',
    })
  })

  it.each([
    ['http', 'https://localhost/rest/isales/'],
    ['https', 'http://localhost/rest/isales/'],
  ] as const)('the absolute form of another scheme than %s is misdirected', (scheme, target) => {
    expect(validated(head({ target }), { ...RULES, scheme })).toEqual({
      refused: 'misdirected',
    })
  })

  it.each([
    ['*', '*'],
    ['http://localhost', '*'],
    ['http://localhost/rest/isales/', '/rest/isales/'],
  ])('OPTIONS %s asks for %s', (target, asked) => {
    expect(validated(head({ method: 'OPTIONS', target }), RULES)).toMatchObject({
      target: asked,
    })
  })

  it('a star needs a Host that is ours, too', () => {
    const rawHeaders = ['Host', 'evil.example']
    expect(validated(head({ method: 'OPTIONS', target: '*', rawHeaders }), RULES)).toEqual({
      refused: 'misdirected',
    })
  })

  it.each(['/', '/%2f/../x', '//x', '/rest/%2e%2e/a', '/a;/./b'])(
    '%s is valid when every path is open',
    (target) => {
      expect(validated(head({ target }), OPEN)).toMatchObject({ target })
    },
  )

  it.each([
    ['http://localhost', '/'],
    ['http://localhost?a', '/?a'],
  ])('GET %s goes on as %s', (target, path) => {
    expect(validated(head({ method: 'GET', target }), OPEN)).toMatchObject({ target: path })
  })
})

describe('Host', () => {
  it.each([
    ['none', [], 'bad-request'],
    ['two', ['Host', 'localhost', 'host', 'localhost'], 'bad-request'],
    ['an empty one', ['Host', ''], 'bad-request'],
    ['a port alone', ['Host', ':8080'], 'bad-request'],
    ['userinfo', ['Host', 'localhost@evil.example'], 'bad-request'],
    ['a path', ['Host', 'localhost/x'], 'bad-request'],
    ['a space', ['Host', 'local host'], 'bad-request'],
    ['a list', ['Host', 'localhost, evil.example'], 'bad-request'],
    ['a port that no machine has', ['Host', 'localhost:65536'], 'bad-request'],
    ['another of them', ['Host', 'localhost:99999'], 'bad-request'],
    ['a port of six digits', ['Host', 'localhost:123456'], 'bad-request'],
    ['a port that is none', ['Host', 'localhost:80a'], 'bad-request'],
    ['a half address', ['Host', '[::1'], 'bad-request'],
    ['a strange name', ['Host', 'evil.example'], 'misdirected'],
    ['our name as a prefix', ['Host', 'localhost.evil.example'], 'misdirected'],
    ['our name as a list', ['Host', 'localhost,evil.example'], 'misdirected'],
  ])('%s is refused', (_, rawHeaders, refused) => {
    expect(validated(head({ rawHeaders }), RULES)).toEqual({ refused })
  })

  it.each([
    'localhost',
    'LOCALHOST:1',
    '127.0.0.1:8080',
    '[::1]',
    '[::1]:8080',
    'obs.example:',
    '[::1]:65535',
    'localhost:59999',
    'localhost:60000',
    'localhost:64999',
    'localhost:65000',
    'localhost:65499',
    'localhost:65500',
    'localhost:65529',
    'localhost:65530',
    'localhost:00080',
  ])('%s is ours', (host) => {
    expect(validated(head({ rawHeaders: ['Host', host] }), RULES)).not.toHaveProperty('refused')
  })

  it('any name will do when none are listed', () => {
    expect(validated(head({ rawHeaders: ['Host', 'anything.example'] }), OPEN)).not.toHaveProperty(
      'refused',
    )
  })
})

describe('a path', () => {
  it.each([
    ['/rest/isales//x', 'double-slash'],
    ['/rest/isales/%2fx', 'ambiguous-path'],
    ['/rest/other', 'other-path'],
  ])('%s is refused because of %s', (target, refused) => {
    expect(validateRequest(head({ target }), RULES)).toEqual({ refused })
  })

  it.each(['/a/x', '/b/x'])('%s is under one of several prefixes', (target) => {
    const rules = { ...RULES, allowedPaths: ['/a/', '/b/'] }
    expect(validated(head({ target }), rules)).toMatchObject({ target })
  })
})
