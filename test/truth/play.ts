// Plays one seed against the built program, and records what everybody saw.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { follow } from '../cli/program.ts'
import { listenerTls, type Certificates } from '../support/certificates.ts'
import { temporaryDirectory, temporaryFiles } from '../support/temporary.ts'
import { clientOf } from '../support/world.ts'
import { createClients, OBS } from './clients.ts'
import { openIsales, PASSWORD, TOKEN_MARK } from './isales.ts'
import { findingsOfLog, readCounts, watch } from './observe.ts'
import type { Plan, Stage } from './settings.ts'

/** Milliseconds: without faults, with them, and without again. */
const PHASES = { before: 3500, faults: 14_000, after: 8500 } as const
/** The password that an operator writes by mistake. */
const OTHER = 'truth-password-by-mistake'
const SECRETS = new RegExp([PASSWORD, TOKEN_MARK, OBS.OBS_PASSWORD, OTHER].join('|'))

/** Observations of all sides. Times are milliseconds of `performance.now`. */
export type Record = Awaited<ReturnType<typeof play>>

/** @param program directory of the built program. */
export async function play(plan: Plan, program: string, certificates: Certificates) {
  const { settings, faults } = plan
  const main = join(program, 'main.js')
  const { ca, server, expired } = certificates
  const stateDir = temporaryDirectory()
  const file = temporaryFiles()
  const bundle = settings.bundle === 'expired' ? `${ca.cert}\n${expired.cert}` : ca.cert
  const stage: Stage = { plan, active: false, over: false }
  const isales = await openIsales(stage, certificates)
  // oxfmt-ignore
  const env = {
    PATH: process.env['PATH'], LISTEN: '127.0.0.1:0', ADMIN_LISTEN: '127.0.0.1:0', STATE_DIR: stateDir,
    ISALES_URL: isales.url, ISALES_USER: 'truth', ISALES_PASSWORD_FILE: file('password', PASSWORD),
    LOGIN_REJECTED_ATTEMPTS: settings.attempts, CLIENT_DEADLINE: settings.deadline,
    ...(settings.refresh === 'off' && { ISALES_REFRESH_PATH: 'off' }),
    ...(settings.isales === 'tls' && { ISALES_CA_FILE: file('ca.pem', bundle) }),
    ...(settings.login === 'required' && { OBS_USER: OBS.OBS_USER, OBS_PASSWORD_FILE: file('obs-password', OBS.OBS_PASSWORD) }),
    ...(settings.listener === 'tls' && listenerTls(file, server)),
  }
  const isPasted = faults.some(({ name }) => name === 'pasted-token')
  const pasted = { ...env, ISALES_REFRESH_HEADER_TOKEN: `${TOKEN_MARK}0` }
  const options = { env: pasted, encoding: 'utf8', timeout: 9000 } as const
  const error = isPasted ? spawnSync(process.execPath, [main], options).output.join('') : ''

  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const running = follow(child)
  /** When the operator wrote a password of iSales, or sent SIGHUP. */
  const operated: { at: number; by: 'file' | 'SIGHUP' }[] = []
  const operate = (by: 'file' | 'SIGHUP'): void => {
    if (by === 'SIGHUP') child.kill(by)
    operated.push({ at: performance.now(), by })
  }
  /** Begins and ends of the faults that are neither an answer nor a request. */
  const acts: { readonly [fault: string]: (begins: boolean, fraction: number) => unknown } = {
    'bad-certificate': (begins) => isales.present(begins ? 'stranger' : 'server'),
    down: (begins) => (begins ? isales.down() : isales.up()),
    async 'port-closed'(begins) {
      if (begins) await isales.down().then(() => delay(1000))
      await isales.up()
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
  /** Begins or ends the faults. Returns the time when the phase began, after its end. */
  const phase = async (begins: boolean, ms: number): Promise<number> => {
    const [at, end] = [performance.now(), delay(ms)]
    stage.active = begins
    if (begins && faults.some(({ revokes }) => revokes)) isales.endTokens()
    for (const { name, fraction } of faults) await acts[name]?.(begins, fraction)
    await end
    return at
  }

  try {
    const urls = await running.addresses()
    await running.line('logged-in')
    const clients = createClients(stage, isales, urls.proxy, ca.cert)
    const reader = clientOf(urls)
    const watched = watch(reader, stage)
    const stalls = watchStalls(stage, child.pid)
    await delay(PHASES.before)
    const faultsAt = await phase(true, PHASES.faults)
    const faultsEnd = await phase(false, PHASES.after)
    const to = performance.now()
    stage.over = true
    await clients.stopped
    await delay(300)
    const counted = await readCounts(reader)
    const logged = findingsOfLog(running.lines())
    const { pages, ...watching } = await watched
    const texts = { error, log: running.stdout() + running.stderr(), pages: pages.join(' ') }
    const leaks = Object.entries(texts).filter(([, text]) => SECRETS.test(text))
    const seen = { stalls: await stalls, operated, leaks, counted, logged }
    return { plan, faultsAt, faultsEnd, to, ...isales, ...clients, ...watching, ...seen }
  } finally {
    stage.over = true
    child.kill('SIGKILL')
    await isales.down()
  }
}

/** Returns each tenth of a second, by `performance.now`, in which this process or the proxy stood still for over 250 ms. */
async function watchStalls(stage: Stage, pid?: number): Promise<readonly number[]> {
  const stalls: number[] = []
  while (!stage.over) {
    const [began, waited] = [performance.now(), waitOf(pid)]
    await delay(50)
    const late = Math.max(performance.now() - began - 50, waitOf(pid) - waited)
    const tenths = Array.from({ length: late / 100 }, (_, nth) => began + 100 * nth)
    if (late > 250) stalls.push(...tenths)
  }
  return stalls
}

/** Returns for how long the process has waited for a processor, in milliseconds (proc(5)); 0 if that is unknown. */
function waitOf(pid = 0): number {
  const path = `/proc/${pid}/schedstat`
  return existsSync(path) ? Number(readFileSync(path, 'utf8').split(' ')[1]) / 1e6 : 0
}
