import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { builtProgram } from '../cli/program.ts'
import { CANARIES, leaks } from '../support/canaries.ts'
import { until } from '../support/until.ts'
import { environment, openIsales } from './secrets-stand.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const start = builtProgram()

test('no secret is in the last words of a program that cannot start, nor in those of `check`', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const sound = environment('https://127.0.0.1:9')
  const faulty: readonly Environment[] = [
    { ...sound, LISTEN: `127.0.0.1:${port}` },
    { ...sound, ISALES_URL: `https://user:${CANARIES.egressPassword}@127.0.0.1:9` },
    { ...sound, ISALES_PASSWORD_FILE: '/nowhere' },
    { ...sound, ISALES_PASSWORD: `${CANARIES.password}\u007f\n${CANARIES.rotated}` },
    { ...sound, OBS_PASSWORD: `${CANARIES.obsPassword}\n${CANARIES.rotated}` },
    { ...sound, OBS_TICKET_KEY: CANARIES.password, OBS_TICKET_KEY_FILE: '/nowhere' },
    { ...sound, HTTPS_PROXY: `ftp://user:${CANARIES.egressPassword}@127.0.0.1:9` },
    { ...sound, HTTPS_PROXY: `http://user:${CANARIES.egressPassword}@[127.0.0.1` },
    { ...sound, ISALES_PASWORD: CANARIES.password, LOG_LEVEL: 'loud' },
  ]
  const ran = faulty.flatMap((env) => [start(['serve'], env), start(['check'], env)])
  for (const program of ran) {
    // Some of these are no error: then it serves, until it gets SIGTERM.
    await until(() => program.process.exitCode !== null || program.lines().length > 2, 20_000)
    program.process.kill('SIGTERM')
    await program.ended
  }
  taken.close()
  expect(ran[0]?.stdout()).not.toBe('')
  expect(leaks(ran.map((each) => each.stdout() + each.stderr()).join('\n'))).toEqual([])
}, 60_000)

test.each(['check', 'check --live', 'serve'])(
  'the environment of the process holds no secret any more once %s has begun',
  async (command) => {
    const sim = await openIsales()
    const directory = temporaryDirectory()
    const witness = join(directory, 'witness.json')
    const preload = join(directory, 'preload.cjs')
    writeFileSync(
      preload,
      `process.on('exit', () => require('fs').writeFileSync(process.env.WITNESS, JSON.stringify(process.env)))`,
    )
    const program = start(command.split(' '), {
      ...environment(sim.origin),
      HTTPS_PROXY: `http://user:${CANARIES.egressPassword}@127.0.0.1:9`,
      https_proxy: '',
      NODE_OPTIONS: `--require ${preload}`,
      WITNESS: witness,
    })
    if (command === 'serve') {
      await program.line('logged-in')
      program.process.kill('SIGTERM')
    }
    await program.ended
    const left = readFileSync(witness, 'utf8')
    rmSync(witness)
    expect(left).toContain('ISALES_USER')
    expect(leaks(left)).toEqual([])
    expect(leaks(program.stdout() + program.stderr())).toEqual([])
  },
)
