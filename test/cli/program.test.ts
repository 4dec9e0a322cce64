import { chmodSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import {
  createSimulator,
  INTERFACE_PATHS,
  LOGIN_PATH,
  type Simulator,
} from '../../simulator/index.ts'
import { settingsFor } from '../support/world.ts'
import { call } from '../support/call.ts'
import { until, within } from '../support/until.ts'
import { builtProgram, type Program } from './program.ts'
import { temporaryDirectory } from '../support/temporary.ts'

// On a busy machine, a start takes a second.
vi.setConfig({ testTimeout: 30_000 })

const CANARY = 'canary-password-4711'
const start = builtProgram()
const scratch = temporaryDirectory()
let sim: Simulator

beforeEach(async () => {
  sim = await createSimulator({ switches: { password: CANARY } })
})

afterEach(() => sim.close())

const env = (more?: Environment): Environment => settingsFor(sim, more)

/** Returns options with which Node runs a script before the program. */
function preload(name: string, script: string): Environment {
  const path = join(scratch, `${name}.cjs`)
  writeFileSync(path, script)
  return { NODE_OPTIONS: `--require ${path}` }
}

/** Runs code as soon as the program handles uncaught errors. */
const early = (name: string, act: string): Environment =>
  preload(
    name,
    `const timer = setInterval(() => {
      if (process.listenerCount('uncaughtException') === 0) return
      clearInterval(timer)
      ${act}
    }, 1)`,
  )

const tasks = (proxy: string): ReturnType<typeof call> =>
  call(`${proxy}${INTERFACE_PATHS.getTask}`, { method: 'POST', body: '{"subCCNo":1,"vdnId":1}' })

const ended = (program: Program): Promise<{ code: number | null; signal: string | null }> =>
  within(program.ended, 'the end of the program', 20_000)

describe('the program', () => {
  it('serves without a command, lets `status` wait, opens no inspector, and exits with 0 after SIGTERM', async () => {
    const program = start([], env({ ISALES_FOO: '1' }))
    const { proxy, admin } = await program.addresses()
    const where = { ADMIN_LISTEN: new URL(admin).host }
    expect(await ended(start(['status', '--wait', '20s'], where))).toMatchObject({ code: 0 })
    expect(await ended(start(['status'], where))).toMatchObject({ code: 0 })
    // Without a handler, Node opens the inspector and prints that.
    program.process.kill('SIGUSR1')
    expect((await tasks(proxy)).json.result).toBe(0)
    program.process.kill('SIGTERM')
    expect(await ended(program)).toEqual({ code: 0, signal: null })
    expect(program.stderr()).toBe('')
    const events = program.lines().map(({ event }) => event)
    expect(events.slice(0, 2)).toEqual(['starting', 'setting-doubtful'])
    expect(events.slice(-2)).toEqual(['draining', 'stopped'])
    expect(program.stdout()).not.toContain(CANARY)
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
    ['SIGUSR2', 140],
  ] as const)(
    'lets requests finish after %s, and exits immediately after a second one',
    async (signal, code) => {
      const program = start([], env({ CLIENT_DEADLINE: '30s' }))
      const { proxy } = await program.addresses()
      await program.line('logged-in')
      sim.hang({ operation: 'business' })
      const request = tasks(proxy).catch((error: unknown) => error)
      await until(() => sim.state().hanging === 1)
      program.process.kill(signal)
      await program.line('draining')
      expect(program.process.exitCode).toBeNull()
      program.process.kill(signal)
      expect(await ended(program)).toEqual({ code, signal: null })
      expect(await request).toBeInstanceOf(Error)
    },
  )

  it('serves its first login and status page after an upgrade in place removed its files', async () => {
    const installed = join(scratch, 'installed')
    cpSync(start.directory(), installed, { recursive: true })
    const program = start([], env(), { from: installed })
    const { proxy, admin } = await program.addresses()
    rmSync(installed, { recursive: true })
    const login = { method: 'POST', body: '{"user":"cti","passwd":"x"}' }
    expect((await call(`${proxy}${LOGIN_PATH}`, login)).status).toBe(200)
    for (const path of ['/', '/status.json', '/metrics'])
      expect([path, (await call(`${admin}${path}`)).status]).toEqual([path, 200])
  })

  it('names all errors of the configuration, and exits with 2', async () => {
    const program = start(['serve'], { ...env(), ISALES_URL: undefined, LOG_LEVEL: 'loud' })
    expect(await ended(program)).toEqual({ code: 2, signal: null })
    expect(program.stderr()).toBe('')
    const event = { level: 'fatal', event: 'setting-wrong' }
    expect(program.lines()).toMatchObject([
      { ...event, setting: 'ISALES_URL', code: 'not-set' },
      { ...event, setting: 'LOG_LEVEL', code: 'not-accepted' },
    ])
  })

  // Root has access to everything, so the program runs as another user.
  it.runIf(process.getuid?.() === 0)('names a file and a port without permission', async () => {
    const closed = join(scratch, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    const file = join(closed, 'password')
    writeFileSync(file, 'x', { mode: 0o644 })
    for (const open of [scratch, dirname(scratch)]) chmodSync(open, 0o755)
    const wrong = { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: file }
    const check = start(['check', '--quiet'], { ...env(), ...wrong }, { uid: 65_534 })
    const program = start([], env({ LISTEN: '127.0.0.1:80' }), { uid: 65_534 })
    expect(await ended(check)).toEqual({ code: 2, signal: null })
    expect(check.stderr()).toMatch(
      `File: ${file}; Detail: this user may not read it. [file-unreadable]\n`,
    )
    expect(await program.line('cannot-listen')).toMatchObject({
      setting: 'LISTEN',
      detail: expect.stringMatching(
        / higher port, .*CAP_NET_BIND_SERVICE.* Address: 127\.0\.0\.1:80/,
      ),
    })
  })

  it.each([
    ['an exception', 'throw new Error(process.env.CANARY)'],
    ['a rejection without an error', 'Promise.reject(process.env.CANARY)'],
  ])(
    'exits with 1 after %s that was not caught, and does not repeat its text',
    async (name, script) => {
      const hook = preload(name.replaceAll(' ', '-'), `process.on('SIGALRM', () => { ${script} })`)
      const program = start([], env({ ...hook, CANARY }))
      await program.line('logged-in')
      program.process.kill('SIGALRM')
      expect(await ended(program)).toEqual({ code: 1, signal: null })
      expect(program.stderr()).toBe('')
      const last = program.lines().filter(({ event }) => event === 'unexpected')
      expect(last).toEqual([expect.objectContaining({ level: 'fatal' })])
      expect(program.stdout()).not.toContain(CANARY)
    },
  )

  it('starts although SIGHUP arrives before the configuration is read', async () => {
    const program = start([], env(early('hang-up', `process.kill(process.pid, 'SIGHUP')`)))
    const { proxy } = await program.addresses()
    expect((await tasks(proxy)).status).toBe(200)
  })

  it.each([
    [
      'a failure before the log is open',
      early('throw', 'throw new TypeError(process.env.CANARY)'),
      'isales-auth-proxy: TypeError: The proxy failed. Report the defect, with the log line unexpected.\n',
    ],
    [
      'a forgotten promise',
      preload(
        'forgotten',
        `require('node:timers/promises').setTimeout = () => new Promise(() => {})`,
      ),
      '',
    ],
  ])('exits with 1 after %s', async (_, hook, said) => {
    const where = { CANARY, ADMIN_LISTEN: '127.0.0.1:1' }
    const program = start(['status', '--wait', '60s'], { ...hook, ...where })
    expect(await ended(program)).toEqual({ code: 1, signal: null })
    expect(program.stderr()).toBe(said)
  })

  it('does not fail if its output is not read', async () => {
    const program = start(['check'], env())
    program.process.stdout?.destroy()
    expect(await ended(program)).toEqual({ code: 0, signal: null })
    expect(program.stderr()).toBe('')
  })
})
