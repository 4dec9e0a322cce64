import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

describe('stdout', () => {
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'log-'))
    await build({
      stdin: {
        resolveDir: process.cwd(),
        contents: `
          import { createLogger } from './src/log/logger.ts'
          const [format, count] = process.argv.slice(2)
          const { log, logAccess, flush } = await createLogger({ level: 'info', format })
          for (let n = 0; n < Number(count); n += 1)
            logAccess({ method: 'POST', target: 'x'.repeat(500), status: 200, durationMs: 1, requestId: 'r' })
          process.on('SIGUSR2', () => log('logged-in'))
          process.stderr.write('written')
          process.stdin.on('data', () => { flush(); process.exit(0) })
        `,
      },
      outfile: join(folder, 'program.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
    })
  })
  afterAll(() => rm(folder, { recursive: true }))

  const run = (format = 'json', lines = 20_000): ChildProcessWithoutNullStreams =>
    spawn(process.execPath, [join(folder, 'program.mjs'), format, String(lines)])

  const textOf = (child: ChildProcessWithoutNullStreams): (() => string) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    return () => text
  }

  it('that nobody reads holds nothing up and keeps memory bounded', async () => {
    const child = run()
    const [text] = await once(child.stderr, 'data')
    expect(String(text)).toBe('written')
    child.kill('SIGKILL')
    await once(child, 'close')
  })

  it.each(['json', 'pretty'])('that was closed does not end the program (%s)', async (format) => {
    const child = run(format)
    child.stdout.destroy()
    await once(child.stderr, 'data')
    child.stdin.write('end')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('that is no terminal gets pretty lines without colour, every one of them', async () => {
    const child = run('pretty', 500)
    const text = textOf(child)
    await once(child.stderr, 'data')
    child.stdin.write('end')
    await once(child, 'close')
    expect(text().match(/^\[\d\d:\d\d:\d\d\.\d\d\d\] INFO: Request/gm)).toHaveLength(500)
    expect(text()).not.toContain('\u001B')
  })

  it('gets whole lines only, the last ones too when the program flushes and ends', async () => {
    const child = run()
    const text = textOf(child)
    await once(child.stderr, 'data')
    child.stdin.write('end')
    await once(child, 'close')
    const lines = text().trimEnd().split('\n')
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty('event', 'access')
    expect(text().endsWith('\n')).toBe(true)
  })

  it('gets an access line in a moment, though nothing comes after it', async () => {
    const child = run('json', 1)
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
    expect(JSON.parse(chunk.toString())).toHaveProperty('event', 'access')
    child.kill()
    await once(child, 'close')
  })

  it('gets a line of another kind at once, behind the access lines that wait', async () => {
    const child = run('json', 1)
    const text = textOf(child)
    await once(child.stderr, 'data')
    child.kill('SIGUSR2')
    await vi.waitUntil(() => text().includes('logged-in'))
    expect(text().match(/"event":"[a-z-]+"/g)).toEqual(['"event":"access"', '"event":"logged-in"'])
    child.kill()
    await once(child, 'close')
  })
})
