import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import type { Simulator } from '../../simulator/index.ts'
import { simulate } from '../simulator/caller.ts'
import { clientOf, settingsFor } from '../support/world.ts'
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
  ;({ sim } = await simulate({ switches: { password: CANARY } }))
})

const env = (more?: Environment): Environment => settingsFor(sim, more)

/** Returns options with which Node runs a script before the program. */
function preload(name: string, script: string): Environment {
  const path = join(scratch, `${name}.cjs`)
  writeFileSync(path, script)
  return { NODE_OPTIONS: `--require ${path}` }
}

const ended = (program: Program): Promise<{ code: number | null; signal: string | null }> =>
  within(program.ended, 'the end of the program', 20_000)

describe('the program', () => {
  it.each([
    [64, /^Warning: MAX_IN_FLIGHT: .*LimitNOFILE.*\[no-descriptors\]$/m],
    [4096, /^$/],
  ])(
    'warns in `check` if %i descriptors are too few for its connections',
    async (descriptors, text) => {
      const checked = start(['check', '--quiet'], env(), { descriptors })
      expect(await ended(checked)).toMatchObject({ code: 0 })
      expect(checked.stderr()).toMatch(text)
    },
  )

  it('serves without a command, lets `status` wait, opens no inspector, and exits with 0 after SIGTERM', async () => {
    const program = start([], env({ ISALES_FOO: '1' }))
    const addresses = await program.addresses()
    const where = { ADMIN_LISTEN: new URL(addresses.admin).host }
    expect(await ended(start(['status', '--wait', '20s'], where))).toMatchObject({ code: 0 })
    expect(await ended(start(['status'], where))).toMatchObject({ code: 0 })
    const second = start([], env({ ...where, LISTEN: new URL(addresses.proxy).host }))
    expect(await ended(second)).toMatchObject({ code: 1 })
    expect(second.lines().at(-1)).toMatchObject({
      code: 'already-running',
      detail: expect.stringMatching(
        /already runs here.*`?isales-auth-proxy status`?.* leave it running/,
      ),
    })
    // Without a handler, Node opens the inspector and prints that.
    program.process.kill('SIGUSR1')
    expect((await clientOf(addresses).tasks()).json.result).toBe(0)
    program.process.kill('SIGTERM')
    expect(await ended(program)).toEqual({ code: 0, signal: null })
    expect(program.stderr()).toBe('')
    const events = program.lines().map(({ event }) => event)
    expect(events.slice(0, 2)).toEqual(['starting', 'setting-doubtful'])
    expect(events.slice(-2)).toEqual(['draining', 'stopped'])
    expect(program.stdout()).not.toContain(CANARY)
  })

  it('says after `renew` which lost calls are older', async () => {
    const world = await start.serve()
    world.sim.failBusiness({ status: 503, times: 2 })
    for (let n = 0; n < 2; n += 1) expect((await world.tasks()).status).toBe(503)
    const where = { ADMIN_LISTEN: new URL(world.admin).host }
    const commands = ['C', 'zh_CN.UTF-8'].map((LANG) => start(['renew'], { ...where, LANG }))
    for (const each of commands) expect(await ended(each)).toMatchObject({ code: 0 })
    const [english, chinese] = commands.map((each) => each.stdout())
    expect(english).toMatch(/^\[.*maintenance[^]*^ +Only before renew +yes$/m)
    expect(chinese).toMatch(/^ +仅发生在 renew 之前 +是$/m)
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
    ['SIGUSR2', 140],
  ] as const)(
    'lets requests finish after %s, and exits immediately after a second one',
    async (signal, code) => {
      const world = await start.serve({ CLIENT_DEADLINE: '30s' })
      const { program } = world
      world.sim.hang({ operation: 'business' })
      const request = world.tasks().catch((error: unknown) => error)
      await until(() => world.sim.state().hanging === 1)
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
    const addresses = await start([], env(), { from: installed }).addresses()
    const { admin } = addresses
    rmSync(installed, { recursive: true })
    expect((await clientOf(addresses).logIn()).token).toMatch(/^[\w-]{64}$/)
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

  it('names an address at which it cannot listen, and exits with 1', async () => {
    const { host } = new URL(sim.origin)
    const program = start([], env({ LISTEN: host }))
    const detail = expect.stringContaining(`Address: ${host}`)
    expect(await program.line('cannot-listen')).toMatchObject({ setting: 'LISTEN', detail })
    expect(await ended(program)).toEqual({ code: 1, signal: null })
  })

  it.each(['throw new Error(process.env.CANARY)', 'Promise.reject(process.env.CANARY)'])(
    'exits with 1 if this is not caught, and does not repeat its text: %s',
    async (script) => {
      const hook = preload('uncaught', `process.on('SIGALRM', () => { ${script} })`)
      const program = start([], env({ ...hook, CANARY }))
      await program.line('logged-in')
      program.process.kill('SIGALRM')
      expect(await ended(program)).toEqual({ code: 1, signal: null })
      const last = program.lines().filter(({ event }) => event === 'unexpected')
      expect(last).toEqual([expect.objectContaining({ level: 'fatal' })])
      expect(program.stdout() + program.stderr()).not.toContain(CANARY)
    },
  )

  it('exits with 1 after a failure before the log is open', async () => {
    // As soon as the program handles uncaught errors.
    const hook = preload(
      'early',
      `const timer = setInterval(() => {
        if (process.listenerCount('uncaughtException') === 0) return
        clearInterval(timer)
        throw new TypeError(process.env.CANARY)
      }, 1)`,
    )
    const where = { CANARY, ADMIN_LISTEN: '127.0.0.1:1' }
    const program = start(['status', '--wait', '60s'], { ...hook, ...where })
    expect(await ended(program)).toEqual({ code: 1, signal: null })
    const said = 'The proxy failed. Report the defect, with the log line unexpected.'
    expect(program.stderr()).toBe(`isales-auth-proxy: TypeError: ${said}\n`)
  })

  it('does not fail if its output is not read', async () => {
    const program = start(['check'], env())
    program.process.stdout?.destroy()
    expect(await ended(program)).toEqual({ code: 0, signal: null })
    expect(program.stderr()).toBe('')
  })
})
