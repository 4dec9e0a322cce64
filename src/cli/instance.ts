import { parseEnv } from 'node:util'
import { readSmallFile, type Environment, type ReadFile } from '../config/index.ts'
import { wordsOf } from '../words/index.ts'

/** As docs/vm.md says; no name leads out of /etc. */
const NAME = /^[\w-]{1,20}$/
/** Bytes; no env file is longer. */
const MAX_FILE = 64 * 1024

/**
 * The environment of a proxy that systemd runs, as far as a command needs it: its env file, its files of user and
 * password, its directory of state. A text says why there is none.
 *
 * @param name of `isales-auth-proxy@NAME`; `-` is the service without one.
 */
export function instanceEnvironment(
  name: string,
  env: Environment,
  readFile: ReadFile = readSmallFile,
): Environment | string {
  const { command } = wordsOf(env)
  if (!NAME.test(name)) return command.notInstance
  const service = name === '-' ? 'isales-auth-proxy' : `isales-auth-proxy@${name}`
  const directory = `/etc/${service}`
  const file = readFile(`${directory}/env`, MAX_FILE)
  if (!file.ok) return command.noInstance(`${directory}/env`, file.problem === 'missing')
  return {
    ...env,
    ...(name !== '-' && { INSTANCE: name }),
    ISALES_USER_FILE: `${directory}/user`,
    ISALES_PASSWORD_FILE: `${directory}/password`,
    STATE_DIR: `/var/lib/${service}`,
    ...parseEnv(new TextDecoder().decode(file.bytes)),
  }
}
