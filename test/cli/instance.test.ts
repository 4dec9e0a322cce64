import { expect, it } from 'vitest'
import { instanceEnvironment, parseEnvironmentFile } from '../../src/cli/instance.ts'
import { disk } from '../config/stand.ts'
import { ENV_FILES } from './env-files.ts'
import { runHere } from './stand.ts'

const files = disk({
  '/etc/isales-auth-proxy@north/env': 'ADMIN_LISTEN=:9091\nISALES_USER_FILE=/run/user\n',
})

it('--instance takes the settings of a service of that name, and its env file wins', () => {
  expect(instanceEnvironment('north', { PATH: '/bin', ADMIN_LISTEN: ':1' }, files)).toEqual({
    PATH: '/bin',
    ADMIN_LISTEN: ':9091',
    ISALES_USER_FILE: '/run/user',
    ISALES_PASSWORD_FILE: '/etc/isales-auth-proxy@north/password',
    STATE_DIR: '/var/lib/isales-auth-proxy@north',
  })
})

it('--instance - takes those of the service without a name', () => {
  const plain = disk({ '/etc/isales-auth-proxy/env': 'ADMIN_LISTEN=:9090\n' })
  expect(instanceEnvironment('-', {}, plain)).toEqual({
    ADMIN_LISTEN: ':9090',
    ISALES_USER_FILE: '/etc/isales-auth-proxy/user',
    ISALES_PASSWORD_FILE: '/etc/isales-auth-proxy/password',
    STATE_DIR: '/var/lib/isales-auth-proxy',
  })
})

it.each([
  [['--instance'], /^Error: The env file of that service cannot be read\. .*\[no-instance\]\n$/],
  [
    ['--instance=../north', 'status'],
    /^Error: The env file of that service cannot be read\. .*\[no-instance\]\n$/,
  ],
  [
    ['--instance=nowhere', 'status'],
    /File: \/etc\/isales-auth-proxy@nowhere\/env\. \[no-instance\]/,
  ],
  [
    ['--instance', 'nowhere', 'status'],
    /File: \/etc\/isales-auth-proxy@nowhere\/env\. \[no-instance\]/,
  ],
])('%j ends with 2, and says why', async (argv, said) => {
  expect(await runHere(argv)).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(said) })
})

it.each(ENV_FILES)('an env file is read as systemd reads it: %j', (file, environment) => {
  expect(parseEnvironmentFile(Buffer.from(file))).toEqual(environment)
})
