import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { expect, it, onTestFinished } from 'vitest'

const MANY = 5000

const PROGRAM = `
  import { createLog } from './src/log/logger.ts'
  import { openStdout } from './src/log/stdout.ts'
  const stdout = openStdout()
  const log = await createLog({ level: 'debug', format: 'json', destination: stdout })
  const access = { method: 'POST', path: 'x'.repeat(500), status: 200, durationMs: 1, requestId: 'r' }
  for (let n = 0; n < Number(process.env.LINES); n += 1) log('access', access)
  // The first write has ended by then.
  setTimeout(() => {
    log('access', access)
    process.stderr.write(stdout.dropped() + ' ' + stdout.failure())
  }, 100)
  setInterval(() => undefined, 60_000)
  process.on('SIGTERM', async () => {
    await stdout.flush()
    process.exit(7)
  })
`

function start(lines: number, stdout: number | 'pipe' = 'pipe'): ChildProcess {
  const args = ['--import', 'tsx', '--input-type=module', '--eval', PROGRAM]
  const env = { ...process.env, LINES: String(lines) }
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', stdout, 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** Waits until all lines are logged. Returns the number of dropped ones, and why the last write failed. */
async function endOf(child: ChildProcess): Promise<{ dropped: number; failure: string }> {
  if (child.stderr === null) throw new Error('no stderr')
  const [dropped, failure = ''] = String((await once(child.stderr, 'data'))[0]).split(' ')
  return { dropped: Number(dropped), failure }
}

async function terminate(child: ChildProcess): Promise<unknown> {
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  return code
}

it.each(['without a reader', 'on a full disk'])(
  'a log on stdout %s never blocks, drops and counts lines, and exits on SIGTERM',
  async (place) => {
    const full = openSync('/dev/full', 'w')
    const child = start(MANY, place === 'on a full disk' ? full : 'pipe')
    closeSync(full)
    const { dropped, failure } = await endOf(child)
    expect(dropped).toBeGreaterThan(1000)
    expect(failure).toBe(place === 'on a full disk' ? 'ENOSPC' : 'undefined')
    const began = performance.now()
    expect(await terminate(child)).toBe(7)
    expect(performance.now() - began).toBeLessThan(5000)
  },
)

it('a log on stdout is complete when the program exits', async () => {
  const child = start(500)
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const closed = once(child, 'close')
  expect(await endOf(child)).toEqual({ dropped: 0, failure: 'undefined' })
  expect(await terminate(child)).toBe(7)
  await closed
  expect(text.match(/Request.*\n/g)).toHaveLength(501)
})
