import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { createRefusalBook, type RefusalBook } from '../../src/token/refusals.ts'
import { credentialsOf } from './source-support.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const START = Date.parse('2026-03-01T12:00:00Z')
const WRONG = credentialsOf('canary-wrong')
const KEY = '0'.repeat(64)
const FILE = /^not a refusals file$/
const ENTRY = /^not a refusal$/

function fileWith(entry: object): string {
  return JSON.stringify({ version: 1, key: KEY, refusals: { a: entry } })
}

let directory: string
let now: number
let unusable: unknown[]

beforeEach(() => {
  directory = temporaryDirectory()
  now = START
  unusable = []
})

const open = (where: string | undefined = directory): RefusalBook =>
  createRefusalBook({
    directory: where,
    wallClock: () => now,
    onUnusable: (error) => unusable.push(error),
  })

const file = (): string => join(directory, 'refusals.json')

describe('the count of refusals', () => {
  it('is kept for each pair of user and password, until a grant', () => {
    const book = open()
    book.add(WRONG)
    now += 5000
    book.add(WRONG)
    now += 60_000
    expect(book.find(WRONG)).toEqual({ count: 2, age: 60_000 })
    expect(book.find({ ...WRONG, user: 'other' })).toBeUndefined()
    expect(book.find(credentialsOf('other'))).toBeUndefined()
    book.remove(WRONG)
    expect(book.find(WRONG)).toBeUndefined()
  })

  it('survives a restart', () => {
    open().add(WRONG)
    now += 1000
    expect(open().find(WRONG)).toEqual({ count: 1, age: 1000 })
    expect(unusable).toEqual([])
  })

  it('survives a restart without a directory not', () => {
    const book = createRefusalBook({
      directory: undefined,
      wallClock: () => now,
      onUnusable: (error) => unusable.push(error),
    })
    book.add(WRONG)
    expect(book.find(WRONG)).toEqual({ count: 1, age: 0 })
    expect([readdirSync(directory), unusable]).toEqual([[], []])
  })

  it('is of now when the clock was set back', () => {
    open().add(WRONG)
    now -= 3_600_000
    expect(open().find(WRONG)).toEqual({ count: 1, age: 0 })
  })

  it('is kept of the latest 100', () => {
    const book = open()
    for (let one = 0; one <= 100; one += 1) book.add(credentialsOf(`password-${one}`))
    expect(book.find(credentialsOf('password-0'))).toBeUndefined()
    expect(open().find(credentialsOf('password-1'))).toMatchObject({ count: 1 })
  })
})

describe('the file', () => {
  it('holds no credentials, and is readable by its owner only', () => {
    open().add(WRONG)
    const text = readFileSync(file(), 'utf8')
    expect(text).not.toContain('canary')
    expect(text).not.toContain('obs')
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory)).toEqual(['refusals.json'])
  })

  it('gives the same credentials another hash in each directory', () => {
    open().add(WRONG)
    const other = join(directory, 'other')
    open(other).add(WRONG)
    const hashes = [file(), join(other, 'refusals.json')].map((path) => {
      const { refusals } = JSON.parse(readFileSync(path, 'utf8')) as { refusals: object }
      return Object.keys(refusals)[0]
    })
    expect(hashes[0]).not.toBe(hashes[1])
  })

  // Nothing but the message of the error is written to the log.
  it.each([
    ['empty', '', /JSON/],
    ['cut off', '{"version":1,"key":"', /JSON/],
    ['a list', '[]', FILE],
    ['of another version', `{"version":2,"key":"${KEY}","refusals":{}}`, FILE],
    ['without a key', '{"version":1,"key":"","refusals":{}}', FILE],
    ['with a key that is too long', `{"version":1,"key":"${KEY}0","refusals":{}}`, FILE],
    ['with a list of keys', `{"version":1,"key":["${KEY}"],"refusals":{}}`, FILE],
    ['without refusals', `{"version":1,"key":"${KEY}"}`, FILE],
    ['with no entry', `{"version":1,"key":"${KEY}","refusals":{"a":5}}`, ENTRY],
    ['with a count that is none', fileWith({ count: 'x', at: 1 }), ENTRY],
    ['with half a count', fileWith({ count: 1.5, at: 1 }), ENTRY],
    ['with a date that is none', fileWith({ count: 1, at: 'x' }), ENTRY],
  ])('that is %s is ignored with a warning, and written anew', (_, text, message) => {
    writeFileSync(file(), text)
    const book = open()
    expect(unusable).toEqual([expect.objectContaining({ message: expect.stringMatching(message) })])
    book.add(WRONG)
    expect(open().find(WRONG)).toMatchObject({ count: 1 })
    expect(unusable).toHaveLength(1)
  })

  it('of the first version is read', () => {
    const hash = '591b75128cfea90ec1fde165aca4f6e2225534b476fc146c8bfc740284e2ccdc'
    const refusals = { [hash]: { count: 2, at: START - 1000 } }
    writeFileSync(file(), JSON.stringify({ version: 1, key: KEY, refusals }))
    expect(open().find(WRONG)).toEqual({ count: 2, age: 1000 })
  })

  it('that is a directory is a warning', () => {
    mkdirSync(file())
    open()
    expect(unusable).toMatchObject([{ code: 'EISDIR' }])
  })

  it('that cannot be written is a warning, and counting goes on', () => {
    writeFileSync(join(directory, 'file'), '')
    const book = open(join(directory, 'file', 'below'))
    book.add(WRONG)
    expect(book.find(WRONG)).toMatchObject({ count: 1 })
    // Once when it is read, and once when it is written.
    expect(unusable).toMatchObject([{ code: 'ENOTDIR' }, { code: 'ENOTDIR' }])
  })
})
