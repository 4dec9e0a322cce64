import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, it } from 'vitest'
import { readSmallFile, type ReadFile } from '../../src/config/files.ts'
import { watchFiles, type FileWatch, type WatchOptions } from '../../src/config/watch.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const WITHIN = { timeout: 2000, interval: 10 }
/** Leaves time on a busy machine. */
const QUICK = { settle: 100 }

const ends: (() => void)[] = []
afterAll(() => ends.forEach((end) => end()))

/** A directory with a file, and a watch that counts the changes it tells of. */
function openScene() {
  const directory = temporaryDirectory()
  const file = join(directory, 'password')
  writeFileSync(file, 'old')
  let changes = 0
  const start = (path = file, options: Partial<WatchOptions> = {}): FileWatch => {
    const watch = watchFiles([path], { onChange: () => changes++, ...options })
    ends.unshift(() => watch.close())
    return watch
  }
  return { directory, file, start, changes: () => changes }
}

/** A Secret as the kubelet mounts it: `password -> ..data/password`, `..data -> ..1`. */
function mountSecret(directory: string, text: string): string {
  const mount = join(directory, 'secret')
  mkdirSync(join(mount, '..1'), { recursive: true })
  writeFileSync(join(mount, '..1', 'password'), text)
  symlinkSync('..1', join(mount, '..data'))
  symlinkSync('..data/password', join(mount, 'password'))
  return mount
}

/** What the kubelet does when the Secret changes: a new directory, and one rename. */
function swapSecret(mount: string, generation: number, text: string): void {
  mkdirSync(join(mount, `..${generation}`))
  writeFileSync(join(mount, `..${generation}`, 'password'), text)
  symlinkSync(`..${generation}`, join(mount, '..tmp'))
  renameSync(join(mount, '..tmp'), join(mount, '..data'))
  rmSync(join(mount, `..${generation - 1}`), { recursive: true })
}

describe.concurrent('a watch of files sees within two seconds', () => {
  it('an editor that renames its copy over the file', async ({ expect }) => {
    const { file, start, changes } = openScene()
    start()
    writeFileSync(`${file}.swp`, 'new')
    renameSync(`${file}.swp`, file)
    await expect.poll(changes, WITHIN).toBe(1)
  })

  it('the swap of a mounted Secret, each time', async ({ expect }) => {
    const { directory, start, changes } = openScene()
    const mount = mountSecret(directory, 'one')
    start(join(mount, 'password'))
    swapSecret(mount, 2, 'two')
    await expect.poll(changes, WITHIN).toBe(1)
    swapSecret(mount, 3, 'three')
    await expect.poll(changes, WITHIN).toBe(2)
  })

  it('a file behind a link into another directory', async ({ expect }) => {
    const { directory, start, changes } = openScene()
    const other = join(directory, 'other')
    mkdirSync(other)
    writeFileSync(join(other, 'real'), 'old')
    symlinkSync(join(other, 'real'), join(directory, 'link'))
    start(join(directory, 'link'), QUICK)
    writeFileSync(join(other, 'real'), 'new')
    await expect.poll(changes, WITHIN).toBe(1)
  })

  it('a directory that is moved away and made anew', async ({ expect }) => {
    const { directory, start, changes } = openScene()
    const inner = join(directory, 'inner')
    mkdirSync(inner)
    writeFileSync(join(inner, 'password'), 'old')
    start(join(inner, 'password'), QUICK)
    renameSync(inner, `${inner}-old`)
    await expect.poll(changes, WITHIN).toBe(1)
    mkdirSync(inner)
    writeFileSync(join(inner, 'password'), 'new')
    await expect.poll(changes, WITHIN).toBe(2)
    writeFileSync(join(inner, 'password'), 'newer')
    await expect.poll(changes, WITHIN).toBe(3)
  })

  it('a directory that was not there at first', async ({ expect }) => {
    const { directory, start, changes } = openScene()
    const late = join(directory, 'late', 'password')
    start(late, QUICK)
    mkdirSync(join(directory, 'late'))
    writeFileSync(late, 'new')
    await expect.poll(changes, WITHIN).toBe(1)
  })
})

describe.concurrent('a watch of files', () => {
  /** Reads files and counts. */
  function counting(): { readonly readFile: ReadFile; readonly reads: () => number } {
    let reads = 0
    const readFile: ReadFile = (path, limit) => {
      reads++
      return readSmallFile(path, limit)
    }
    return { readFile, reads: () => reads }
  }

  it('says nothing of a file that is written again as it was, or comes back as it was', async ({
    expect,
  }) => {
    const { file, start, changes } = openScene()
    const { readFile, reads } = counting()
    start(file, { readFile, settle: 100 })
    writeFileSync(file, 'old')
    await expect.poll(reads, WITHIN).toBeGreaterThanOrEqual(2)
    unlinkSync(file)
    await expect.poll(changes, WITHIN).toBe(1)
    const before = reads()
    writeFileSync(file, 'old')
    await expect.poll(reads, WITHIN).toBeGreaterThan(before)
    expect(changes()).toBe(1)
  })

  it('tells once of changes that follow each other within the time to settle', async ({
    expect,
  }) => {
    const { file, start, changes } = openScene()
    const { readFile, reads } = counting()
    start(file, { readFile, settle: 2000 })
    writeFileSync(file, 'ne')
    await new Promise((resolve) => setTimeout(resolve, 700))
    writeFileSync(file, 'new')
    await expect.poll(changes, { timeout: 5000, interval: 10 }).toBe(1)
    expect(reads()).toBe(2)
  })

  it('says nothing after it was closed', async ({ expect }) => {
    const { file, start, changes } = openScene()
    start().close()
    let others = 0
    start(file, { onChange: () => others++ })
    writeFileSync(file, 'new')
    await expect.poll(() => others, WITHIN).toBe(1)
    expect(changes()).toBe(0)
  })
})
