import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readSmallFile } from '../../src/config/files.ts'
import { watchFiles, type DirectoryListener, type FileWatch } from '../../src/config/watch.ts'

/** Longer than any of these tests: what is seen was seen by the watch. */
const NEVER = 3_600_000
const WITHIN = { timeout: 2000, interval: 10 }

let directory: string
let file: string
let onChange: ReturnType<typeof vi.fn<() => void>>
let watch: FileWatch | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'watch-'))
  file = join(directory, 'password')
  writeFileSync(file, 'old')
  onChange = vi.fn<() => void>()
})

afterEach(() => {
  watch?.close()
  rmSync(directory, { recursive: true, force: true })
})

const times = (): number => onChange.mock.calls.length

/** A Secret as the kubelet mounts it: `password -> ..data/password`, `..data -> ..1`. */
function mountSecret(text: string): string {
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

describe('watchFiles sees within two seconds, without polling', () => {
  it('a plain file that is written over', async () => {
    watch = watchFiles([file], { onChange, pollInterval: NEVER })
    writeFileSync(file, 'new')
    await expect.poll(times, WITHIN).toBe(1)
  })

  it('an editor that renames its copy over the file', async () => {
    watch = watchFiles([file], { onChange, pollInterval: NEVER })
    writeFileSync(`${file}.swp`, 'new')
    renameSync(`${file}.swp`, file)
    await expect.poll(times, WITHIN).toBe(1)
  })

  it('the swap of a mounted Secret, each time', async () => {
    const mount = mountSecret('one')
    watch = watchFiles([join(mount, 'password')], { onChange, pollInterval: NEVER })
    swapSecret(mount, 2, 'two')
    await expect.poll(times, WITHIN).toBe(1)
    swapSecret(mount, 3, 'three')
    await expect.poll(times, WITHIN).toBe(2)
  })

  it('a file behind a link into another directory', async () => {
    const other = join(directory, 'other')
    mkdirSync(other)
    writeFileSync(join(other, 'real'), 'old')
    symlinkSync(join(other, 'real'), join(directory, 'link'))
    watch = watchFiles([join(directory, 'link')], { onChange, pollInterval: NEVER })
    writeFileSync(join(other, 'real'), 'new')
    await expect.poll(times, WITHIN).toBe(1)
  })

  it('a file that goes, and comes back with other content', async () => {
    watch = watchFiles([file], { onChange, pollInterval: NEVER })
    unlinkSync(file)
    await expect.poll(times, WITHIN).toBe(1)
    writeFileSync(file, 'new')
    await expect.poll(times, WITHIN).toBe(2)
  })

  it('a directory that is moved away and made anew', async () => {
    const inner = join(directory, 'inner')
    mkdirSync(inner)
    writeFileSync(join(inner, 'password'), 'old')
    watch = watchFiles([join(inner, 'password')], { onChange, pollInterval: NEVER })
    renameSync(inner, `${inner}-old`)
    await expect.poll(times, WITHIN).toBe(1)
    mkdirSync(inner)
    writeFileSync(join(inner, 'password'), 'new')
    await expect.poll(times, WITHIN).toBe(2)
    writeFileSync(join(inner, 'password'), 'newer')
    await expect.poll(times, WITHIN).toBe(3)
  })

  it('a directory that was not there at first', async () => {
    const late = join(directory, 'late', 'password')
    watch = watchFiles([late], { onChange, pollInterval: NEVER })
    mkdirSync(join(directory, 'late'))
    writeFileSync(late, 'new')
    await expect.poll(times, WITHIN).toBe(1)
  })
})

describe('watchFiles says nothing', () => {
  it('when a file is written again with what it held, or comes back as it was', async () => {
    let reads = 0
    const readFile: typeof readSmallFile = (path, limit) => {
      reads++
      return readSmallFile(path, limit)
    }
    watch = watchFiles([file], { onChange, pollInterval: NEVER, readFile })
    writeFileSync(file, 'old')
    unlinkSync(file)
    writeFileSync(file, 'old')
    await expect.poll(() => reads, WITHIN).toBe(2)
    expect(onChange).not.toHaveBeenCalled()
  })

  it('after it was closed', () => {
    vi.useFakeTimers()
    const listeners: DirectoryListener[] = []
    const watchDirectory = (_: string, listener: DirectoryListener) => {
      listeners.push(listener)
      return () => undefined
    }
    watch = watchFiles([file], { onChange, watchDirectory })
    writeFileSync(file, 'new')
    watch.close()
    for (const listener of listeners) listener.onEvent()
    vi.advanceTimersByTime(NEVER)
    vi.useRealTimers()
    expect(listeners).toHaveLength(1)
    expect(onChange).not.toHaveBeenCalled()
  })

  it('but looks within a second, however busy the directory is', () => {
    vi.useFakeTimers()
    const listeners: DirectoryListener[] = []
    const watchDirectory = (_: string, listener: DirectoryListener) => {
      listeners.push(listener)
      return () => undefined
    }
    watch = watchFiles([file], { onChange, watchDirectory })
    writeFileSync(file, 'new')
    for (let ms = 0; ms < 1000; ms += 50) {
      listeners[0]?.onEvent()
      vi.advanceTimersByTime(50)
    }
    vi.useRealTimers()
    expect(onChange).toHaveBeenCalledTimes(1)
  })
})

describe('watchFiles polls', () => {
  it.each([
    [
      'when no watch can be had',
      () => {
        throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
      },
    ],
    ['when the watch is silent', () => () => undefined],
    [
      'when the watch breaks at once',
      (_: string, listener: DirectoryListener) => {
        setImmediate(listener.onBroken)
        return () => undefined
      },
    ],
  ])('%s', async (_, watchDirectory) => {
    watch = watchFiles([file], { onChange, pollInterval: 20, watchDirectory })
    writeFileSync(file, 'new')
    await expect.poll(times, WITHIN).toBe(1)
  })

  it('and tells once that a file cannot be read, and nothing when it can be again', async () => {
    let readable = true
    let reads = 0
    const readFile: typeof readSmallFile = (path, limit) => {
      reads++
      return readable ? readSmallFile(path, limit) : { ok: false, problem: 'unreadable' }
    }
    const watchDirectory = () => () => undefined
    watch = watchFiles([file], { onChange, pollInterval: 10, watchDirectory, readFile })
    const readAgain = async (): Promise<void> => {
      const before = reads
      await vi.waitFor(() => expect(reads).toBeGreaterThan(before + 2), WITHIN)
    }
    readable = false
    await readAgain()
    expect(onChange).toHaveBeenCalledTimes(1)
    readable = true
    await readAgain()
    expect(onChange).toHaveBeenCalledTimes(1)
  })
})
