import { execFileSync } from 'node:child_process'
import { symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it, test } from 'vitest'
import { findOriginal, readSmallFile } from '../../src/config/files.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const LIMIT = 64 * 1024
let directory: string
const at = (name: string): string => (name.startsWith('/') ? name : join(directory, name))

beforeAll(() => {
  directory = temporaryDirectory()
  const texts = { plain: 'text', full: 'x'.repeat(LIMIT), over: 'x'.repeat(LIMIT + 1), sparse: '' }
  for (const [name, text] of Object.entries(texts)) writeFileSync(at(name), text)
  truncateSync(at('sparse'), 2 ** 40)
  for (const [to, from] of ['plain link', 'loop loop'].map((it) => it.split(' ')))
    symlinkSync(to ?? '', at(from ?? ''))
  execFileSync('mkfifo', [at('fifo')])
})

it.each<[string, string | number]>([
  ['full', LIMIT],
  ['link', 4],
  ['over', 'too-large'],
  ['sparse', 'too-large'],
  ['nowhere', 'missing'],
  ['plain/below', 'missing'],
  ['.', 'no-file'],
  ['fifo', 'no-file'],
  ['/dev/zero', 'no-file'],
  ['loop', 'unreadable'],
  ['x'.repeat(5000), 'unreadable'],
])('%s is read, or refused without waiting: %s', (name, expected) => {
  const read = readSmallFile(at(name), LIMIT)
  expect(typeof read === 'string' ? read : read.length).toBe(expected)
})

it.runIf(process.getuid?.() === 0)('a file that the user may not read is refused', () => {
  process.seteuid?.(65_534)
  const read = readSmallFile(at('plain'), LIMIT)
  process.seteuid?.(0)
  expect(read).toBe('denied')
})

test.each([
  ['/run/isales-auth-proxy/isales_password', '/etc/isales-auth-proxy/password'],
  ['/run/isales/credentials/password', '/run/isales/credentials/password'],
])('the original of %s is %s', (copy, original) => {
  expect(findOriginal(copy)).toBe(original)
})
