import { expect, it } from 'vitest'
import { KNOWN, unknownVariables } from '../../src/config/unknown-variables.ts'

const meantBy = (...names: readonly string[]) =>
  unknownVariables(Object.fromEntries(names.map((name) => [name, 'x']))).map(
    ({ setting, facts, isWarning }) => [setting, facts[0]?.[1], isWarning],
  )

it.each([
  ['ISALES_PASWORD', 'ISALES_PASSWORD'],
  ['ISALES_USERNAME', 'ISALES_USER'],
  ['isales_url', 'ISALES_URL'],
  ['LOGLEVEL', 'LOG_LEVEL'],
  ['OBS_PASWORD_FILE', 'OBS_PASSWORD_FILE'],
  // Only this program uses these prefixes.
  ['ISALES_TIMEOUT', undefined],
])('%s is a warning that names %s', (name, near) => {
  expect(meantBy(name)).toEqual([[name, near, true]])
})

const SERVICE = ['', '_443_TCP', '_443_TCP_PROTO', '_443_TCP_PORT', '_443_TCP_ADDR']
it.each([
  ['of this program', KNOWN],
  ['of the system', ['PATH', 'HOME', 'HOSTNAME', 'PWD', 'LANG', 'TERM', 'USER', 'NODE_ENV']],
  ['of systemd', ['LISTEN_FDS', 'LISTEN_PID', 'INVOCATION_ID', 'NOTIFY_SOCKET']],
  ['of a neighbor', ['DB_USER', 'HTTP_PROXY', 'http_proxy', 'JAVA_TOOL_OPTIONS']],
  ['of a Service called isales', SERVICE.map((more) => `ISALES_PORT${more}`)],
  ['of a Service', ['ISALES_SERVICE_HOST', 'ISALES_SERVICE_PORT_HTTPS', 'OBS_USER_SERVICE_HOST']],
  ['of Kubernetes', ['KUBERNETES_SERVICE_HOST', 'KUBERNETES_PORT']],
])('no variable %s causes a warning', (_, names) => {
  expect(meantBy(...names)).toEqual([])
})
