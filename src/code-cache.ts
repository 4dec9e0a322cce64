import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { Script } from 'node:vm'

/** What the functions of a CommonJS file find around them. */
const HEAD = '(function (exports, require, module, __filename, __dirname) {'
const TAIL = '\n})'
const DIGEST_BYTES = 32

export interface LoadedProgram {
  /** V8 had nothing to compile. */
  readonly cached: boolean
  /** Runs it as `require` would. */
  run(require: NodeJS.Require): void
  /** Writes down all that V8 has compiled of it by now, for the next start. */
  saveCache(): void
}

/** Compiles a CommonJS file, or spares that when its cache is beside it. A cache that does not fit is none. */
export function loadProgram(file: string, node: string): LoadedProgram {
  const source = readFileSync(file)
  const cacheFile = `${file}.cache`
  const cachedData = readCache(cacheFile, source, node)
  const script = new Script(HEAD + source.toString() + TAIL, {
    filename: basename(file),
    columnOffset: -HEAD.length,
    ...(cachedData !== undefined && { cachedData }),
  })
  return {
    cached: script.cachedDataRejected === false,
    run(require) {
      const module = { exports: {} }
      script.runInThisContext()(module.exports, require, module, file, dirname(file))
    },
    saveCache() {
      const data = script.createCachedData()
      writeFileSync(cacheFile, Buffer.concat([digest(source, data, node), data]))
    },
  }
}

/** The Node that a cache is for. V8 compares no more than its own version, which other builds of Node may share. */
export function nodeOf({ arch, versions }: Pick<NodeJS.Process, 'arch' | 'versions'>): string {
  return [arch, ...Object.values(versions)].join(' ')
}

function readCache(cacheFile: string, source: Buffer, node: string): Buffer | undefined {
  try {
    const sealed = readFileSync(cacheFile)
    const data = sealed.subarray(DIGEST_BYTES)
    return digest(source, data, node).equals(sealed.subarray(0, DIGEST_BYTES)) ? data : undefined
  } catch {
    return undefined
  }
}

/**
 * V8 compares no more of the source than its length, and believes the rest of the cache: that of another program of the
 * same length would run in its place, and a damaged one kills the process.
 */
function digest(source: Buffer, data: Buffer, node: string): Buffer {
  return createHash('sha256')
    .update(`${node}\n${source.length}\n`)
    .update(source)
    .update(data)
    .digest()
}
