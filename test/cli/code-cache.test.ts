import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { loadProgram, nodeOf } from '../../src/code-cache.ts'
import { createSimulator, INTERFACE_PATHS } from '../../src/simulator/index.ts'
import { call } from '../support/call.ts'
import { BUILD_SCRIPT, builtProgram } from './program.ts'

vi.setConfig({ testTimeout: 30_000 })

const start = builtProgram()
const scratch = mkdtempSync(join(tmpdir(), 'code-cache-test-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** A copy of what was built, which a test may spoil. */
let copy = ''
const program = (): string => join(copy, 'program.js')
const cache = (): string => join(copy, 'program.js.cache')
beforeEach(() => {
  copy = mkdtempSync(join(scratch, 'copy-'))
  cpSync(start.directory(), copy, { recursive: true })
})

/** Adds to stderr what V8 said of the cache, and where the program called from. */
const SPY = join(scratch, 'spy.cjs')
writeFileSync(
  SPY,
  `const vm = require('node:vm'), { Script } = vm
   vm.Script = class extends Script {
     constructor(source, options) {
       super(source, options)
       const taken = { true: 'refused', false: 'taken' }[this.cachedDataRejected] ?? 'none given'
       process.stderr.write('cache: ' + taken + '\\n')
     }
   }
   const { on } = process
   process.on = function (name, ...rest) {
     const caller = new Error().stack.split('\\n')[2]
     if (name === 'unhandledRejection') process.stderr.write('called ' + caller.trim() + '\\n')
     return on.call(this, name, ...rest)
   }`,
)

function run(options: readonly string[] = [], file = 'main.js') {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...options, join(copy, file), 'version'],
    { encoding: 'utf8', env: {} },
  )
  return { status, stdout, stderr }
}
const spied = (...options: readonly string[]): string => run(['--require', SPY, ...options]).stderr

const { version: VERSION } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
/** As long, so that nothing but the digest tells the programs apart. */
const OTHER_VERSION = VERSION.replaceAll(/\d/g, '9')
const SILENT = { status: 0, stdout: `${VERSION}\n`, stderr: '' }

function edit(change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(cache())
  change(bytes)
  writeFileSync(cache(), bytes)
}
const flip = (offset: number) => (): void =>
  edit((bytes) => bytes.writeUInt8(bytes.readUInt8(offset) ^ 0xff, offset))

/** As that Node would write it. */
const writtenBy = (node: Pick<NodeJS.Process, 'arch' | 'versions'>) => (): void => {
  loadProgram(program(), nodeOf(node)).saveCache()
  expect(loadProgram(program(), nodeOf(node)).cached).toBe(true)
}
const { arch, versions } = process

const UNFIT: readonly (readonly [what: string, make: () => void])[] = [
  ['without a cache', () => rmSync(cache())],
  ['with an empty one', () => truncateSync(cache())],
  ['with half a digest', () => truncateSync(cache(), 16)],
  ['with a digest of nothing', () => truncateSync(cache(), 32)],
  ['with a truncated one', () => truncateSync(cache(), 300_000)],
  ['with garbage', () => edit((bytes) => bytes.fill('garbage'))],
  ['with another digest', flip(0)],
  ['with another head of V8', flip(40)],
  ['with a changed byte in its code', flip(20_000)],
  ['with that of another Node', writtenBy({ arch, versions: { ...versions, node: '20.19.0' } })],
  ['with that of another machine', writtenBy({ arch: 's390x', versions })],
  [
    'with a directory in its place',
    () => {
      rmSync(cache())
      mkdirSync(cache())
    },
  ],
]

describe('the code cache', () => {
  it('is taken by V8, wherever the program has been put', () => {
    expect(spied()).toContain('cache: taken')
    expect(run()).toEqual(SILENT)
  })

  it.each(UNFIT)('costs the start nothing but time: %s', (_, make) => {
    make()
    expect(spied()).toContain('cache: none given')
    expect(run()).toEqual(SILENT)
  })

  it('costs no more when V8 refuses it, since it runs with other options', async () => {
    const option = '--stack-trace-limit=11'
    expect(spied(option)).toContain('cache: refused')
    const sim = await createSimulator()
    const served = start([], {
      ISALES_URL: sim.origin,
      ISALES_USER: sim.switches.user,
      ISALES_PASSWORD: sim.switches.password,
      LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
      NODE_OPTIONS: option,
    })
    await served.line('logged-in')
    const listener = served.lines().find((line) => line['listener'] === 'proxy')
    const url = `${String(listener?.['address'])}${INTERFACE_PATHS.getTask}`
    const body = JSON.stringify({ subCCNo: 1, vdnId: 1 })
    expect((await call(url, { method: 'POST', body })).json.result).toBe(0)
    served.process.kill('SIGTERM')
    expect(await served.ended).toEqual({ code: 0, signal: null })
    expect(served.stderr()).toBe('')
    await sim.close()
  })

  it('never runs in the place of a program of the same length', () => {
    const source = readFileSync(program(), 'utf8')
    const other = source.replaceAll(VERSION, OTHER_VERSION)
    expect(other).not.toBe(source)
    writeFileSync(program(), other)
    expect(run()).toEqual({ ...SILENT, stdout: `${OTHER_VERSION}\n` })
  })
})

describe('the program', () => {
  it('runs without its starter, too', () => {
    expect(run([], 'program.js')).toEqual(SILENT)
  })

  it('names its own places in a stack, and those of the source when it is asked to', () => {
    expect(spied()).toMatch(/^called at program\.js:\d+:\d+$/m)
    expect(spied('--enable-source-maps')).toMatch(/^called at .*\/src\/program\.ts:\d+:\d+\)$/m)
  })

  it('tells the same place with and without a cache', () => {
    const place = (): string | undefined => /^called .*$/m.exec(spied())?.[0]
    const before = place()
    rmSync(cache())
    expect(place()).toBe(before)
  })
})

describe('the build', () => {
  const build = (temporary: string) =>
    spawnSync(process.execPath, [BUILD_SCRIPT, copy], {
      encoding: 'utf8',
      env: { TMPDIR: temporary, NODE_OPTIONS: '--stack-trace-limit=11', LOG_LEVEL: 'nonsense' },
    })

  it('says nothing, leaves nothing behind, and makes a cache for the plain Node', () => {
    const temporary = mkdtempSync(join(scratch, 'tmp-'))
    writeFileSync(cache(), 'of an earlier build')
    const { status, stdout, stderr } = build(temporary)
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(readdirSync(temporary)).toEqual([])
    expect(spied()).toContain('cache: taken')
  })

  it('fails when it can make no cache, and says why', () => {
    const temporary = join(scratch, 'longer-than-the-name-of-a-socket-may-be'.repeat(3))
    mkdirSync(temporary)
    const { status, stderr } = build(temporary)
    expect(status).not.toBe(0)
    expect(stderr).toContain('no code cache could be made')
    expect(stderr).toContain('LISTEN')
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe('what was built', () => {
  it('has no assertion that Node would explain by parsing the file, a line of half a million characters', () => {
    const files = readdirSync(copy).filter((name) => /\.m?js$/.test(name))
    expect(files).toContain('program.js')
    for (const name of files) {
      expect(readFileSync(join(copy, name), 'utf8')).not.toMatch(/["'](?:node:)?assert["']/)
    }
  })
})
