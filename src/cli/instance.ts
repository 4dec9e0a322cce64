import { parseEnv } from 'node:util'
import { KNOWN, readSmallFile, type Environment, type ReadFile } from '../config/index.ts'
import type { Explained } from '../messages/index.ts'

/** Names as in docs/vm.md; no name can leave /etc. */
const NAME = /^[\w-]{1,20}$/

/**
 * Returns the settings of a proxy that systemd runs, from its unit and env file; docs/commands.md has two differences to systemd.
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
  const file = readFile(`${directory}/env`, 64 * 1024)
  if (typeof file === 'string')
    return { error: { code: 'no-instance', facts: [['file', `${directory}/env`]] } }
  const unit = {
    ISALES_USER_FILE: `${directory}/user`,
    ISALES_PASSWORD_FILE: `${directory}/password`,
    STATE_DIR: `/var/lib/${service}`,
    MAX_IN_FLIGHT: '256',
  }
  // systemd starts a service without the shell's settings, such as `https_proxy`.
  const shell = Object.entries(env).filter(([variable]) => !KNOWN.includes(variable))
  return { env: { ...Object.fromEntries(shell), ...unit, ...parseEnv(file.toString()) } }
}
