import { expect, it, vi } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { watchConfigFiles, type FileUsers } from '../../src/config/reload.ts'
import { createReloadable } from '../../src/config/reloadable.ts'
import { readTls } from '../../src/config/certificates.ts'
import { makeCertificates } from '../support/certificates.ts'
import { configOf, PASSWORDLESS } from './stand.ts'
import { temporaryFiles } from '../support/temporary.ts'

it('files that change between the reading of the configuration and the watch are used', () => {
  const file = temporaryFiles()
  const { ca, server } = makeCertificates()
  const paths = {
    ISALES_PASSWORD_FILE: file('password', 'old'),
    OBS_PASSWORD_FILE: file('obs', 'obs-password-of-before'),
    ISALES_CA_FILE: file('ca.pem', ca.cert),
  }
  const config = configOf(loadConfig({ ...PASSWORDLESS, OBS_USER: 'cti', ...paths }))
  const used: unknown[] = []
  const users: FileUsers = {
    credentials: ({ isalesPassword }) => used.push(isalesPassword.reveal()) > 0,
    obsSecrets: ({ obsPassword }) => void used.push(obsPassword?.reveal()),
    upstreamTls: ({ ca: trusted }) => void used.push(String(trusted).trim()),
    listenTls: vi.fn<FileUsers['listenTls']>(),
  }
  const listener = {
    onWarning: vi.fn<() => void>(),
    onReloaded: vi.fn<() => void>(),
    onRead: vi.fn<() => void>(),
  }
  const tls = {
    isales: createReloadable({ read: () => readTls('isales', config) }),
    listen: createReloadable({ first: {}, read: () => ({ ok: true, value: {} }) as const }),
  }

  file('password', 'new')
  file('obs', 'obs-password-of-now')
  file('ca.pem', server.cert)
  const files = watchConfigFiles(config, tls, users, listener)
  expect(used.splice(0)).toEqual(['new', 'obs-password-of-now', server.cert.trim()])

  file('password', 'newer')
  files.reread()
  expect(used).toEqual(['newer'])
  files.close()
})

it('certificates that cannot be read leave those in use, and their ends', () => {
  const { ca, server, expired } = makeCertificates()
  const file = temporaryFiles()
  const isalesCaFile = file('ca.pem', ca.cert + expired.cert)
  const tls = createReloadable({ read: () => readTls('isales', { isalesCaFile }) })
  // The earliest end of a bundle.
  expect(tls.current().caEnd).toBeLessThan(Date.now())

  file('ca.pem', `# a comment\n${ca.cert}${expired.cert}`)
  expect(tls.reload()).toBe('same')
  file('ca.pem', 'nonsense')
  expect(tls.reload()).toMatchObject([{ setting: 'ISALES_CA_FILE' }])
  expect(tls.current().caEnd).toBeLessThan(Date.now())
  file('ca.pem', ca.cert + expired.cert)
  expect(tls.reload()).toBe('changed')
  file('ca.pem', server.cert)
  expect([tls.reload(), tls.reload()]).toEqual(['changed', 'same'])
  expect(tls.current().caEnd).toBeGreaterThan(Date.now())
})
