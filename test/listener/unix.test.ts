import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { respondOk, startListener } from './support.ts'
import { temporaryDirectory } from '../support/temporary.ts'

function socketPath(): string {
  return join(temporaryDirectory(), 'proxy.sock')
}

function startOn(path: string) {
  return startListener(respondOk, { address: { kind: 'unix', path } })
}

test('a file that is no socket is an error, and stays', async () => {
  const path = socketPath()
  writeFileSync(path, 'precious')
  await expect(startOn(path)).rejects.toThrow(`${path} exists and is not a socket`)
  expect(readFileSync(path, 'utf8')).toBe('precious')
})

test('a directory that is not there is an error', async () => {
  const path = join(socketPath(), 'nowhere', 'proxy.sock')
  await expect(startOn(path)).rejects.toThrow('the directory does not exist')
})
