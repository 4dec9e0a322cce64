import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { instanceEnvironment, parseEnvironmentFile } from '../../src/cli/instance.ts'
import { disk } from '../config/stand.ts'
import { ENV_FILES } from './env-files.ts'

it.each([
  ['north', 'isales-auth-proxy@north'],
  ['-', 'isales-auth-proxy'],
])(
  '--instance %s uses the settings of the unit, and the env file takes precedence',
  (name, service) => {
    const env = 'ADMIN_LISTEN=:9091\nISALES_USER_FILE=/run/user\n'
    const files = disk({ [`/etc/${service}/env`]: env })
    const { env: found } = instanceEnvironment(
      name,
      { PATH: '/bin', ADMIN_LISTEN: ':1' },
      files,
    ) as { env: object }
    expect(found).toEqual({
      PATH: '/bin',
      ADMIN_LISTEN: ':9091',
      ISALES_USER_FILE: '/run/user',
      ISALES_PASSWORD_FILE: `/etc/${service}/password`,
      STATE_DIR: `/var/lib/${service}`,
      MAX_IN_FLIGHT: '256',
    })
    const unit = readFileSync(`config/systemd/${service.replace('north', '')}.service`, 'utf8')
    expect(unit).toMatch(/^Environment=MAX_IN_FLIGHT=256$/m)
  },
)

it.each(ENV_FILES)('an env file is read as systemd reads it: %j', (file, environment) => {
  expect(parseEnvironmentFile(Buffer.from(file))).toEqual(environment)
})
