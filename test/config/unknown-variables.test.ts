import { describe, expect, it } from 'vitest'
import { en, lineOf } from '../../src/words/index.ts'
import { unknownVariables } from '../../src/config/unknown-variables.ts'

const remedies = (...names: readonly string[]): readonly string[] =>
  unknownVariables(Object.fromEntries(names.map((name) => [name, 'x']))).map((problem) =>
    lineOf(en, problem),
  )

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
    expect(remedies(name)).toEqual([
      expect.stringMatching(`^There is no such setting.*Probably meant: ${near}\\.$`),
    ])
  })

  it.each(['ISALES_TIMEOUT', 'OBS_TICKET_KEY_FILE', 'LISTEN_BACKLOG', 'SESSION_STORE_SENTINELS'])(
    'is also one that only we could mean: %s',
    (name) => {
      expect(remedies(name)).toEqual([
        'There is no such setting. Correct its name; docs/configuration.md lists all of them.',
      ])
    },
  )
})

describe('a variable of others', () => {
  it.each([
    ['a setting', 'ISALES_URL', 'SESSION_STORE_KEY_FILE', 'https_proxy', 'no_proxy'],
    ['the system', 'PATH', 'HOME', 'HOSTNAME', 'PWD', 'LANG', 'TERM', 'USER', 'NODE_ENV'],
    ['systemd', 'LISTEN_FDS', 'LISTEN_PID', 'INVOCATION_ID', 'NOTIFY_SOCKET'],
    ['a neighbour', 'DB_USER', 'HTTP_PROXY', 'http_proxy', 'JAVA_TOOL_OPTIONS'],
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
