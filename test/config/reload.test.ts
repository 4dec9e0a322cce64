import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { watchConfigFiles, type FileUsers } from '../../src/config/reload.ts'
import { createReloadable } from '../../src/config/reloadable.ts'
import { readTls } from '../../src/config/certificates.ts'
import { makeCertificates } from '../support/certificates.ts'
import { configOf, PASSWORDLESS } from './stand.ts'
import { temporaryDirectory, temporaryFiles } from '../support/temporary.ts'

const directory = temporaryDirectory()

it('a password that changes between the reading of the configuration and the watch is used', () => {
  const file = join(directory, 'password')
  writeFileSync(file, 'old')
  const config = configOf(loadConfig({ ...PASSWORDLESS, ISALES_PASSWORD_FILE: file }))
  const read: string[] = []
  const users: FileUsers = {
    credentials: ({ isalesPassword }) => void read.push(isalesPassword.reveal()),
    obsSecrets: vi.fn<FileUsers['obsSecrets']>(),
    upstreamTls: vi.fn<FileUsers['upstreamTls']>(),
    listenTls: vi.fn<FileUsers['listenTls']>(),
  }
  const listener = {
    onWarning: vi.fn<() => void>(),
    onReloaded: vi.fn<() => void>(),
    onFailed: vi.fn<() => void>(),
  }

  writeFileSync(file, 'new')
  const tls = createReloadable({ first: {}, read: () => ({ ok: true, value: {} }) })
  const files = watchConfigFiles(config, { isales: tls, listen: tls }, users, listener)
  expect(read).toEqual(['new'])

  writeFileSync(file, 'newer')
  files.reread()
  expect(read).toEqual(['new', 'newer'])
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
