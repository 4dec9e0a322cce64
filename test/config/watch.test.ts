import { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
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

/** Prepares a directory. Gives the path that is watched, and changes that are to be seen one after the other. */
const CHANGES: Readonly<
  Record<string, (directory: string) => readonly [path: string, ...changes: (() => void)[]]>
> = {
  'an editor that renames its copy over the file'(directory) {
    const path = join(directory, 'password')
    const copy = (): void => {
      writeFileSync(`${path}.swp`, 'new')
      renameSync(`${path}.swp`, path)
    }
    return [path, copy]
  },
  'a file behind a link into another directory'(directory) {
    const [path, real] = [join(directory, 'link'), join(temporaryDirectory(), 'real')]
    writeFileSync(real, 'old')
    symlinkSync(real, path)
    return [path, () => writeFileSync(real, 'new')]
  },
  'a mounted Secret whose `..data` leads to another directory'(directory) {
    const mount = (version: string): void => {
      mkdirSync(join(directory, version))
      writeFileSync(join(directory, version, 'secret'), version)
      symlinkSync(version, join(directory, '..data_tmp'))
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'))
    }
    mount('old')
    symlinkSync(join('..data', 'secret'), join(directory, 'secret'))
    return [join(directory, 'secret'), () => mount('new'), () => mount('newer')]
  },
  'a directory that is moved away and made anew'(directory) {
    const inner = join(directory, 'inner')
    const path = join(inner, 'password')
    const write = (text: string): void => {
      mkdirSync(inner, { recursive: true })
      writeFileSync(path, text)
    }
    write('old')
    return [path, () => renameSync(inner, `${inner}-old`), () => write('new'), () => write('newer')]
  },
  'a directory that was not there at first'(directory) {
    const path = join(directory, 'late', 'password')
    const write = (): void => {
      mkdirSync(join(directory, 'late'))
      writeFileSync(path, 'new')
    }
    return [path, write]
  },
}

describe.concurrent('a watch of files sees within two seconds', () => {
  it.for(Object.entries(CHANGES))('%s', async ([, prepare], { expect }) => {
    const { directory, start, changes } = openScene()
    const [path, ...acts] = prepare(directory)
    start(path, QUICK)
    for (const [i, act] of acts.entries()) {
      act()
      await expect.poll(changes, WITHIN).toBe(i + 1)
    }
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

  it('says nothing of a file that is written again as it was', async ({ expect }) => {
    const { file, start, changes } = openScene()
    const { readFile, reads } = counting()
    start(file, { readFile, settle: 100 })
    writeFileSync(file, 'old')
    await expect.poll(reads, WITHIN).toBeGreaterThanOrEqual(2)
    expect(changes()).toBe(0)
  })

  it('tells of a file that goes, and that it is back as it was, also where it is asked to look', async ({
    expect,
  }) => {
    const { file, start, changes } = openScene()
    const watch = start(file, QUICK)
    unlinkSync(file)
    await expect.poll(changes, WITHIN).toBe(1)
    writeFileSync(file, 'old')
    await expect.poll(changes, WITHIN).toBe(2)
    unlinkSync(file)
    watch.reread()
    watch.reread()
    expect(changes()).toBe(4)
    writeFileSync(file, 'old')
    watch.reread()
    watch.reread()
    expect(changes()).toBe(5)
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
