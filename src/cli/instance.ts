import { readSmallFile, type Environment, type ReadFile } from '../config/index.ts'
import type { Explained } from '../messages/index.ts'

/** Names as in docs/vm.md; no name can leave /etc. */
const NAME = /^[\w-]{1,20}$/
/** Maximum size in bytes; no env file is longer. */
const MAX_FILE = 64 * 1024

/**
 * Returns the environment of a proxy that systemd runs, as far as commands need it: settings of its unit, and its env
 * file; or an error if there is no such proxy.
 *
 * @param name of `isales-auth-proxy@NAME`; `-` is the service without one.
 */
export function instanceEnvironment(
  name: string,
  env: Environment,
  readFile: ReadFile = readSmallFile,
): { readonly env: Environment } | { readonly error: Explained } {
  if (!NAME.test(name)) return { error: { code: 'no-instance', facts: [] } }
  const service = name === '-' ? 'isales-auth-proxy' : `isales-auth-proxy@${name}`
  const directory = `/etc/${service}`
  const file = readFile(`${directory}/env`, MAX_FILE)
  if (!file.ok) return { error: { code: 'no-instance', facts: [['file', `${directory}/env`]] } }
  const unit = {
    ISALES_USER_FILE: `${directory}/user`,
    ISALES_PASSWORD_FILE: `${directory}/password`,
    STATE_DIR: `/var/lib/${service}`,
    MAX_IN_FLIGHT: '256',
  }
  return { env: { ...env, ...unit, ...parseEnvironmentFile(file.bytes) } }
}

/** A name, the quoted texts at the beginning of its value, and the rest of it. */
const ASSIGNMENT =
  /(?:^|[\r\n])[ \t]*([^ \t\r\n#;][^=\r\n]*?)[ \t]*=((?:[ \t]*(?:"(?:\\[^]?|[^"\\])*"?|'[^']*'?))*)[ \t]*((?:\\[^]?|[^\\\r\n])*)/g
const QUOTED = /[ \t]*(?:'([^']*)'?|"((?:\\[^]?|[^"\\])*)"?)/g

/**
 * Parses a file as `EnvironmentFile=-` of systemd.exec(5) does: comments only at a line's beginning, quotes only at a
 * value's beginning, a backslash that joins lines, no `export`; nothing from a file with values that are not UTF-8.
 */
export function parseEnvironmentFile(file: Uint8Array): Environment {
  const environment: Record<string, string> = {}
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(file)
  for (const [, name = '', quoted = '', rest = ''] of text.matchAll(ASSIGNMENT)) {
    const value =
      quoted.replaceAll(
        QUOTED,
        (_, single?: string, double = '') =>
          single ?? double.replaceAll(/\\(?:\n|$|(["\\`$]))/g, '$1'),
      ) + rest.replaceAll(/\\(?:[\r\n]|$|([^]))|[ \t]+$/g, '$1')
    if (/[\0\uFFFD]/.test(name + value)) return {}
    if (/^[A-Za-z_]\w*$/.test(name)) environment[name] = value
  }
  return environment
}
