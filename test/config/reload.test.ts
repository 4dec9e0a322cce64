import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { watchConfigFiles, type FileUsers } from '../../src/config/reload.ts'
import { configOf, PASSWORDLESS } from './stand.ts'
import { temporaryDirectory } from '../support/temporary.ts'

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
  const files = watchConfigFiles(config, users, listener)
  expect(read).toEqual(['new'])

  writeFileSync(file, 'newer')
  files.reread()
  expect(read).toEqual(['new', 'newer'])
  files.close()
})
