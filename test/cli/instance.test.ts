import { expect, it } from 'vitest'
import { instanceEnvironment } from '../../src/cli/instance.ts'
import { disk } from '../config/stand.ts'
import { read } from '../docs/pages.ts'
import { ENV_FILES } from './env-files.ts'

it('--instance uses the settings of the unit, and the env file takes precedence; no setting is from the shell', () => {
  const env = 'ADMIN_LISTEN=:9091\nISALES_USER_FILE=/run/user\n'
  const files = disk({ '/etc/isales-auth-proxy@north/env': env })
  const shell = { PATH: '/bin', ADMIN_LISTEN: ':1', https_proxy: 'http://egress:1' }
  const found = instanceEnvironment('north', shell, files)
  expect(found).toEqual({
    env: {
      PATH: '/bin',
      ADMIN_LISTEN: ':9091',
      ISALES_USER_FILE: '/run/user',
      ISALES_PASSWORD_FILE: '/etc/isales-auth-proxy@north/password',
      STATE_DIR: '/var/lib/isales-auth-proxy@north',
      MAX_IN_FLIGHT: '256',
    },
  })
  const unit = read('config/systemd/isales-auth-proxy@.service')
  expect(unit).toMatch(/^Environment=MAX_IN_FLIGHT=256$/m)
})

it('env files are read as documented', () => {
  for (const [file, systemd, ours = systemd] of ENV_FILES) {
    const files = disk({ '/etc/isales-auth-proxy/env': file })
    expect([file, instanceEnvironment('-', {}, files)]).toMatchObject([file, { env: ours }])
  }
})
