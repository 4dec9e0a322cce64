import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.ts'
import { leftOf, respondOk, startListener } from './support.ts'
import { temporaryDirectory } from '../support/temporary.ts'

function socketPath(): string {
  return join(temporaryDirectory(), 'proxy.sock')
}

function startOn(path: string) {
  return startListener(respondOk, { address: { kind: 'unix', path }, socketMode: 0o660 })
}

test('it has its mode, and the umask of the process is left as it was', async () => {
  const path = socketPath()
  const before = process.umask()
  await startOn(path)
  expect(statSync(path).mode & 0o777).toBe(0o660)
  expect(process.umask()).toBe(before)
})

test('a live socket is an error, and goes on serving', async () => {
  const path = socketPath()
  const other = createServer((socket) => socket.on('error', () => undefined).end('other'))
  await new Promise<void>((resolve) => {
    other.listen(path, resolve)
  })
  await expect(startOn(path)).rejects.toThrow(`${path} is in use by another process`)
  const client = await connectRaw({ path })
  expect(await leftOf(client)).toBe('other')
  other.close()
})

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
