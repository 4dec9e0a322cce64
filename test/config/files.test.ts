import { execFileSync } from 'node:child_process'
import { symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, test } from 'vitest'
import { originalOf, readSmallFile } from '../../src/config/files.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const LIMIT = 64 * 1024
let directory: string
const at = (name: string): string => join(directory, name)

beforeAll(() => {
  directory = temporaryDirectory()
  writeFileSync(at('plain'), 'text')
  writeFileSync(at('empty'), '')
  writeFileSync(at('full'), 'x'.repeat(LIMIT))
  writeFileSync(at('over'), 'x'.repeat(LIMIT + 1))
  writeFileSync(at('sparse'), '')
  truncateSync(at('sparse'), 2 ** 40)
  symlinkSync('plain', at('link'))
  symlinkSync('loop', at('loop'))
  symlinkSync('gone', at('dangling'))
  execFileSync('mkfifo', [at('fifo')])
})

describe('readSmallFile', () => {
  it.each([
    ['plain', 'text'],
    ['empty', ''],
    ['full', 'x'.repeat(LIMIT)],
    ['link', 'text'],
  ])('reads the %s file', (name, content) => {
    const read = readSmallFile(at(name), LIMIT)
    if (!read.ok) throw new Error(read.problem)
    expect(Buffer.from(read.bytes).toString()).toBe(content)
  })

  it('reads a file whose size the kernel does not know', () => {
    const read = readSmallFile('/proc/self/status', LIMIT)
    if (!read.ok) throw new Error(read.problem)
    expect(read.bytes.length).toBeGreaterThan(100)
  })

  it.each([
    ['over', 'too-large'],
    ['sparse', 'too-large'],
    ['nowhere', 'missing'],
    ['plain/below', 'missing'],
    ['dangling', 'missing'],
    ['.', 'no-file'],
    ['fifo', 'no-file'],
    ['/dev/zero', 'no-file'],
    ['loop', 'unreadable'],
    ['x'.repeat(5000), 'unreadable'],
    ['a\0b', 'unreadable'],
  ])('does not read %s, and neither waits nor throws', (name, problem) => {
    const path = name.startsWith('/') ? name : at(name)
    expect(readSmallFile(path, LIMIT)).toEqual({ ok: false, problem })
  })
})

test.each([
  ['/run/isales-auth-proxy/isales_password', '/etc/isales-auth-proxy/password'],
  ['/run/isales-auth-proxy@north/isales_user', '/etc/isales-auth-proxy@north/user'],
  ['/run/isales/credentials/password', '/run/isales/credentials/password'],
])('a person corrects, for %s, the file %s', (copy, original) => {
  expect(originalOf(copy)).toBe(original)
})
