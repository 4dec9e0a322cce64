// What stands for a disk without hard links, such as VFAT, stands in the place of Node's module.
import { readdirSync } from 'node:fs'
import { expect, it, onTestFinished, vi } from 'vitest'
import type * as Files from 'node:fs/promises'
import { begun, NO_ENTRY } from '../../src/token/book.ts'
import { manualClock } from '../support/manual-clock.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { credentialsOf } from './support.ts'

/** The book on such a disk. */
async function loadBook() {
  vi.resetModules()
  vi.doMock('node:fs/promises', async (importOriginal) => ({
    ...(await importOriginal<typeof Files>()),
    link: () => {
      const refused = { code: 'EPERM', syscall: 'link' }
      return Promise.reject(Object.assign(new Error('EPERM'), refused))
    },
  }))
  onTestFinished(() => {
    vi.doUnmock('node:fs/promises')
    vi.resetModules()
  })
  return import('../../src/token/book-file.ts')
}

it('says that the disk has no hard links, counts in memory, and leaves nothing there', async () => {
  const directory = temporaryDirectory()
  const clock = manualClock()
  const problems: unknown[] = []
  const { openBook } = await loadBook()
  const { update } = openBook({
    directory,
    clock,
    wallClock: () => 0,
    onTrouble: (why) => problems.push(why),
    onExposed() {},
  })
  const credentials = credentialsOf('p')
  const entry = begun(NO_ENTRY, clock.now())
  expect(await update(credentials, begun)).toEqual({ entry, isChanged: true, isWritten: false })
  expect((await update(credentials, () => undefined)).entry).toEqual(entry)
  expect(problems).toMatchObject([
    { cause: { code: 'disk-no-links' }, detail: 'ERR_NO_HARD_LINKS' },
  ])
  expect(readdirSync(directory)).toEqual([])
})
