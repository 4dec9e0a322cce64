import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { SETTING_LIST } from '../../src/config/settings.ts'
import { builtProgram } from '../cli/program.ts'
import { runHere } from '../cli/stand.ts'
import { simulate } from '../simulator/caller.ts'
import { freePort } from '../support/free-port.ts'
import { listen } from '../support/tcp-server.ts'
import { CANARIES, leaks, SECRET_SETTINGS } from '../support/secrets.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const start = builtProgram()

const EGRESS = `user:${CANARIES.egressPassword}`
const FAULTS: readonly Environment[] = [
  { ISALES_URL: `https://${EGRESS}@127.0.0.1:9` },
  { ISALES_PASSWORD_FILE: '/nowhere' },
  { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: CANARIES.password },
  { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: `/nowhere/${CANARIES.password}` },
  { OBS_PASSWORD: undefined, OBS_PASSWORD_FILE: CANARIES.obsPassword },
  { LISTEN_TLS_KEY_FILE: CANARIES.password, ISALES_CA_FILE: CANARIES.password },
  { ISALES_USER: `${CANARIES.password}\n${CANARIES.password}` },
  { ISALES_PASSWORD: `${CANARIES.password}\u007f\n${CANARIES.rotated}` },
  { OBS_PASSWORD: `${CANARIES.obsPassword}\n${CANARIES.rotated}` },
  { SESSION_STORE_KEY: CANARIES.password, SESSION_STORE_KEY_FILE: '/nowhere' },
  { HTTPS_PROXY: `ftp://${EGRESS}@127.0.0.1:9` },
  { HTTPS_PROXY: `http://${EGRESS}@[127.0.0.1` },
  { HTTPS_PROXY: `http://${EGRESS}%@127.0.0.1:9` },
  { HTTPS_PROXY: `http://${EGRESS}@127.0.0.1:9/path` },
  { SESSION_STORE_URL: `valkey://${EGRESS}@127.0.0.1:9` },
  { ISALES_PASWORD: CANARIES.password, LOG_LEVEL: 'loud' },
]

test('every secret setting is in one of the environments', () => {
  const planted = new Set([SECRET_SETTINGS, ...FAULTS].flatMap((env) => Object.keys(env)))
  const secrets = SETTING_LIST.filter(({ redact }) => redact !== undefined)
  expect(secrets.length).toBeGreaterThan(4)
  expect(secrets.filter(({ name }) => !planted.has(name))).toEqual([])
})

test.each(FAULTS)('no secret is in the output of `check` for wrong setting %#', async (fault) => {
  const { stdout, stderr } = await runHere(['check'], { env: { ...SECRET_SETTINGS, ...fault } })
  expect(stdout).not.toBe('')
  expect(leaks(stdout + stderr)).toEqual([])
})

test('no secret is in the output of a program that cannot start', async () => {
  const port = await freePort()
  await listen(() => undefined, port)
  const programs = [
    start([], Object.assign({ ...SECRET_SETTINGS }, ...FAULTS)),
    start([], { ...SECRET_SETTINGS, LISTEN: `127.0.0.1:${port}` }),
  ]
  const ends = await Promise.all(programs.map(({ ended }) => ended))
  expect(ends.map(({ code }) => code)).toEqual([2, 1])
  expect(leaks(programs.map((each) => each.stdout() + each.stderr()).join('\n'))).toEqual([])
})

test('the environment of the running process has no secret', async () => {
  const { sim } = await simulate({ switches: { password: CANARIES.password } })
  const directory = temporaryDirectory()
  const witness = join(directory, 'witness.json')
  const preload = join(directory, 'preload.cjs')
  writeFileSync(
    preload,
    `process.on('exit', () => require('fs').writeFileSync(process.env.WITNESS, JSON.stringify(process.env)))`,
  )
  const program = start(['check', '--live'], {
    ...SECRET_SETTINGS,
    // A password in the wrong place stays there.
    NO_PROXY: undefined,
    ISALES_URL: sim.origin,
    HTTPS_PROXY: `http://${EGRESS}@127.0.0.1:9`,
    https_proxy: '',
    NODE_OPTIONS: `--require ${preload}`,
    WITNESS: witness,
  })
  await program.ended
  const left = readFileSync(witness, 'utf8')
  expect(left).toContain('ISALES_USER')
  expect(leaks(left)).toEqual([])
  expect(leaks(program.stdout() + program.stderr())).toEqual([])
})

test('a core dump has no memory of the process, and so no secret', async () => {
  const { program } = await start.serve()
  const filter = readFileSync(`/proc/${program.process.pid}/coredump_filter`, 'utf8')
  // core(5): no kind of mapping is written.
  expect(Number(`0x${filter}`)).toBe(0)
})
