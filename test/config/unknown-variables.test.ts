import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editDistance, nearest, strangers } from '../../src/config/unknown-variables.ts'

const remedies = (...names: readonly string[]): readonly string[] =>
  strangers(names).map(({ setting, problem, remedy }) => `${setting} ${problem}: ${remedy}`)

describe('a variable that is nearly a setting', () => {
  it.each([
    ['ISALES_PASWORD', 'ISALES_PASSWORD'],
    ['ISALES_PASSWORD_FIEL', 'ISALES_PASSWORD_FILE'],
    ['ISALES_ULR', 'ISALES_URL'],
    ['isales_url', 'ISALES_URL'],
    ['CLIENT_DEADLNE', 'CLIENT_DEADLINE'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['OBS_PASWORD_FILE', 'OBS_PASSWORD_FILE'],
    ['LISTN', 'LISTEN'],
  ])('%s is a warning that names %s', (name, near) => {
    expect(remedies(name)).toEqual([`${name} is not a setting: Did you mean ${near}?`])
  })

  it('is also one that only we could mean', () => {
    expect(remedies('ISALES_TIMEOUT')).toEqual([
      'ISALES_TIMEOUT is not a setting: docs/configuration.md lists them all',
    ])
  })
})

describe('a variable of others', () => {
  it.each([
    ['a setting', 'ISALES_URL', 'OBS_TICKET_KEY_FILE', 'https_proxy', 'no_proxy'],
    ['the system', 'PATH', 'HOME', 'HOSTNAME', 'PWD', 'LANG', 'TERM', 'USER', 'NODE_ENV'],
    ['systemd', 'LISTEN_FDS', 'LISTEN_PID', 'INVOCATION_ID', 'NOTIFY_SOCKET'],
    ['a neighbour', 'DB_USER', 'HTTP_PROXY', 'http_proxy', 'OTEL_RESOURCE_ATTRIBUTES'],
    [
      'a Service called isales',
      'ISALES_SERVICE_HOST',
      'ISALES_SERVICE_PORT',
      'ISALES_SERVICE_PORT_HTTPS',
      'ISALES_PORT',
      'ISALES_PORT_443_TCP',
      'ISALES_PORT_443_TCP_PROTO',
      'ISALES_PORT_443_TCP_PORT',
      'ISALES_PORT_443_TCP_ADDR',
      'OBS_USER_SERVICE_HOST',
    ],
    ['Kubernetes', 'KUBERNETES_SERVICE_HOST', 'KUBERNETES_PORT'],
  ])('is none of our business: %s', (_, ...names) => {
    expect(remedies(...names)).toEqual([])
  })
})

describe('the edit distance', () => {
  it.each([
    ['', '', 0],
    ['abc', 'abc', 0],
    ['abc', 'ab', 1],
    ['abc', 'abcd', 1],
    ['abc', 'axc', 1],
    ['abc', 'acb', 1],
    ['check', 'chekc', 1],
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
  ])('from %j to %j is %d', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance)
  })

  const word = fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'b', '_') })

  it('is 0 only for the same word, the same both ways, and at least the difference in length', () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b)
        expect(distance === 0).toBe(a === b)
        expect(editDistance(b, a)).toBe(distance)
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length))
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length))
      }),
    )
  })

  it('is not measured further than it matters', () => {
    fc.assert(
      fc.property(word, word, fc.nat(4), (a, b, limit) => {
        const distance = editDistance(a, b)
        const limited = editDistance(a, b, limit)
        expect(limited <= limit ? limited : Infinity).toBe(distance <= limit ? distance : Infinity)
      }),
    )
  })

  it('decides which word is nearest, and that none is near', () => {
    expect(nearest('chekc', ['help', 'check', 'checks'])).toBe('check')
    expect(nearest('wxyz', ['help', 'check'])).toBeUndefined()
    expect(nearest('', ['help'])).toBeUndefined()
    // One edit for short words, or everything would be near.
    expect(nearest('hlp', ['help', 'heap'])).toBe('help')
    expect(nearest('hxyp', ['help'])).toBeUndefined()
  })
})
