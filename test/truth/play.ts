// Plays one seed against the built program, and records what everybody saw.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Certificates } from '../support/global-setup.ts'
import { watchStalls } from './stalls.ts'
import { createClients, OBS } from './clients.ts'
import { openIsales, PASSWORD, TOKEN_MARK } from './isales.ts'
import { compareReaders, look, readCounts, ready, type Sample } from './observe.ts'
import type { Plan } from './settings.ts'

/** Milliseconds: without faults, with them, and without again; between looks, and between comparisons of all readers. */
const PHASES = { before: 3500, faults: 14_000, after: 8500 } as const
const LOOK_EVERY = 500
const COMPARE_EVERY = 3000
/** The password that an operator writes by mistake. */
const OTHER = 'truth-password-by-mistake'
/** A file system in memory: a disk under load is slow, and the proxy says so. */
const MEMORY = '/dev/shm'

/** Observations of all sides. Times are milliseconds of `performance.now`. */
export type Record = Awaited<ReturnType<typeof play>>

/** @param program directory of the built program. */
export async function play(plan: Plan, program: string, certificates: Certificates) {
  const { settings } = plan
  const main = join(program, 'main.js')
  const { ca, server, expired } = certificates
  const has = (name: string): boolean => plan.faults.some((fault) => fault.name === name)
  const directory = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'truth-'))
  const stateDir = join(directory, 'state')
  mkdirSync(stateDir, { mode: 0o700 })
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text, { mode: 0o600 })
    return join(directory, name)
  }
  const [cert, key] = [file('listen.pem', server.cert), file('listen.key', server.key)]
  const bundle = settings.bundle === 'expired' ? `${ca.cert}\n${expired.cert}` : ca.cert
  const stage = { active: false, over: false }
  const isales = await openIsales(plan, stage, certificates)
  // oxfmt-ignore
  const env = {
    PATH: process.env['PATH'], LISTEN: '127.0.0.1:0', ADMIN_LISTEN: '127.0.0.1:0', STATE_DIR: stateDir,
    ISALES_URL: isales.url, ISALES_USER: 'truth', ISALES_PASSWORD_FILE: file('password', PASSWORD),
    LOGIN_REJECTED_ATTEMPTS: settings.attempts, CLIENT_DEADLINE: settings.deadline,
    ...(settings.refresh === 'off' && { ISALES_REFRESH_PATH: 'off' }),
    ...(settings.isales === 'tls' && { ISALES_CA_FILE: file('ca.pem', bundle) }),
    ...(settings.login === 'required' && { OBS_USER: OBS.OBS_USER, OBS_PASSWORD_FILE: file('obs-password', OBS.OBS_PASSWORD) }),
    ...(settings.listener === 'tls' && { LISTEN_TLS_CERT_FILE: cert, LISTEN_TLS_KEY_FILE: key }),
  }
  const leaks = new Set<string>()
  const search = (where: string, text: string): void => {
    for (const secret of [PASSWORD, TOKEN_MARK, OBS.OBS_PASSWORD, OTHER])
      if (text.includes(secret)) leaks.add(where)
  }
  if (has('pasted-token')) {
    const pasted = { ...env, ISALES_REFRESH_HEADER_TOKEN: `${TOKEN_MARK}0` }
    const options = { env: pasted, encoding: 'utf8', timeout: 9000 } as const
    search(
      'the error about a setting',
      spawnSync(process.execPath, [main], options).output.join(''),
    )
  }

  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (log += text))
  const samples: Sample[] = []
  const stalls: number[] = []
  const differences: string[] = []
  /** When the operator wrote a password of iSales, or sent SIGHUP. */
  const operated: { at: number; by: 'file' | 'SIGHUP' }[] = []
  const operate = (by: 'file' | 'SIGHUP'): void => {
    if (by === 'SIGHUP') child.kill(by)
    operated.push({ at: performance.now(), by })
  }
  const acts: { readonly [fault: string]: (begins: boolean, fraction: number) => unknown } = {
    'bad-certificate': (begins) => isales.present(begins ? 'stranger' : 'server'),
    revoked: (begins) => begins && isales.endTokens(),
    down: (begins) => (begins ? isales.close() : isales.open()),
    async 'port-closed'(begins) {
      if (!begins) return
      isales.close()
      await delay(1000)
      await isales.open()
    },
    'obs-password-file': (begins) => file('obs-password', begins ? OTHER : OBS.OBS_PASSWORD),
    'password-file'(begins) {
      file('password', begins ? OTHER : PASSWORD)
      operate('file')
    },
    renew: (begins, fraction) =>
      begins && setTimeout(() => operate('SIGHUP'), (PHASES.faults * fraction) / 100),
    'state-dir'(begins) {
      rmSync(stateDir, { recursive: true, force: true })
      if (begins) writeFileSync(stateDir, 'no directory')
      else mkdirSync(stateDir, { mode: 0o700 })
    },
  }
  try {
    const [port, admin] = await ready(() => log)
    const clients = createClients(plan, stage, isales, { port, ca: ca.cert })
    const watched = [watchStalls(stalls, stage, child.pid), watch(admin)]
    const from = performance.now()
    await delay(PHASES.before)
    const faultsAt = performance.now()
    stage.active = true
    await act(true)
    await delay(faultsAt + PHASES.faults - performance.now())
    stage.active = false
    await act(false)
    const faultsEnd = performance.now()
    await delay(PHASES.after)
    const to = performance.now()
    stage.over = true
    await Promise.all([clients.stopped, ...watched])
    await delay(300)
    const counted = await readCounts(admin)
    search('the log', log)
    const { requests, calls } = isales
    const times = { from, faultsAt, faultsEnd, to, deadline: clients.deadline }
    const seen = { requests, calls, samples, stalls, differences, operated, leaks, counted, log }
    return { plan, ...times, ...seen, outcomes: clients.outcomes }
  } finally {
    stage.over = true
    child.kill('SIGKILL')
    isales.close()
    rmSync(directory, { recursive: true, force: true })
  }

  async function watch(admin: number): Promise<void> {
    for (let compared = 0; !stage.over;) {
      const began = performance.now()
      samples.push(await look(admin))
      if (began - compared > COMPARE_EVERY) {
        compared = began
        const [texts, found] = await compareReaders(admin)
        differences.push(...found)
        search('a page', texts.join(' '))
      }
      await delay(Math.max(10, LOOK_EVERY - (performance.now() - began)))
    }
  }

  /** Begins or ends the faults that are neither an answer nor a request. */
  async function act(begins: boolean): Promise<void> {
    for (const { name, fraction } of plan.faults) await acts[name]?.(begins, fraction)
  }
}
