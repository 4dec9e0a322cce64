import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createEchoes } from '../../src/proxy/response.ts'
import type { Token } from '../../src/token/token.ts'
import { tokenOf } from '../admin/token.ts'

const LONG = '0123456789abcdef'

function token(text: string, refresh = 'refresh token'): Token {
  return tokenOf({
    headerValue: new Secret(`Bearer ${text}`),
    token: new Secret(text),
    refreshToken: new Secret(refresh),
  })
}

/** Of a call that echoes nothing of its own. */
const OTHER = token('other')

function echoesOf(...tokens: readonly Token[]) {
  const echoes = createEchoes()
  for (const token of tokens)
    echoes.onTokenEvent({ type: 'adopted', at: 0, token, failuresBefore: 0 })
  return echoes
}

describe('a text that carries a token', () => {
  it.each([
    ['plain', LONG, true],
    ['as its header', `Bearer ${LONG}`, true],
    ['inside of it', `a=${LONG}; b`, true],
    ['cut', LONG.slice(1), false],
    ['of the refresh token', 'a refresh-0123456789abcdef b', true],
    ['percent-encoded in full', Buffer.from(LONG).toString('hex').replaceAll(/../g, '%$&'), true],
    ['percent-encoded in a longer text', `a=${LONG.replace('a', '%61')}; b`, true],
    ['beside a percent sign', `100% ${LONG}`, true],
    ['of nobody', 'application/json;charset=UTF-8', false],
    ['empty', '', false],
  ])('is found, %s: %j', (_, text, found) => {
    const { carriesToken } = echoesOf(token(LONG, 'refresh-0123456789abcdef'))
    expect(carriesToken(text, OTHER)).toBe(found)
  })

  it.each([
    ['token?a/b', 'token?a/b', true],
    ['token?a/b', 'Bearer token?a/b', true],
    ['token?a/b', 'token%3Fa%2fb', true],
    ['ok', 'okay', false],
    ['ok', 'text/ok', false],
    [LONG.slice(1), `x${LONG.slice(1)}`, false],
  ])(
    'is found of a token shorter than 16 characters only when it is the whole text: %j, %j',
    (short, text, found) => {
      expect(echoesOf(token(short)).carriesToken(text, OTHER)).toBe(found)
    },
  )

  const generation = (n: number): string => `generation-${n}-of-the-token`
  const five = () => echoesOf(...[1, 2, 3, 4, 5].map((n) => token(generation(n))))

  it('is found of the last four generations', () => {
    const { carriesToken } = five()
    const found = [1, 2, 3, 4, 5].filter((n) => carriesToken(generation(n), OTHER))
    expect(found).toEqual([2, 3, 4, 5])
  })

  it('is found of the token that was sent, however many came since', () => {
    const { carriesToken } = five()
    expect(carriesToken(`a=${generation(1)}`, token(generation(1)))).toBe(true)
    expect(carriesToken('generation%2D1-of-the-token', token(generation(1)))).toBe(true)
    expect(carriesToken('ok', token(generation(1)))).toBe(false)
    expect(carriesToken('ok', token('ok'))).toBe(true)
  })

  it('is not found before the first token', () => {
    expect(createEchoes().carriesToken(LONG, OTHER)).toBe(false)
  })
})
