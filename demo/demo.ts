import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadConfig } from '../src/config/load.ts'
import { startApp } from '../src/server.ts'
import { createAuthority } from '../simulator/certificates.ts'
import { createSimulator, type Simulator } from '../simulator/index.ts'
import { createObsClient } from './obs-client.ts'
import { createReport, type Report } from './report.ts'
import { createScreen, type Screen, type Terminal } from './screen.ts'

/** The parts of its process that the demo uses. */
export interface DemoIo extends Terminal {
  readonly stderr: { write(text: string): unknown }
  /** Ends the run when it is aborted. */
  readonly signal: AbortSignal
}

interface DemoOptions {
  /** How long the demo runs. Undefined: until it is interrupted. */
  readonly seconds: number | undefined
  /** HTTPS between the proxy and the simulated iSales. */
  readonly tls: boolean
}

/** A shorter run would show no renewal, because a token is renewed at most once per second. */
const MIN_SECONDS = 5
const MAX_SECONDS = 24 * 3600
/** Seconds; the first renewal is after 6.4 s. */
const TOKEN_LIFETIME = 8
/** For a short run, so that it shows a renewal. */
const LIFETIME_SHARE = 0.68
/** Milliseconds; earlier in a short run, after this share of it. */
const FIRST_REVOCATION = 10_000
const REVOCATION_SHARE = 0.6
const NEXT_REVOCATION = 45_000
const LIVE_INTERVAL = 100
const PLAIN_INTERVAL = 5000

const ISALES = { user: 'tenant-4711', password: 'known-to-the-proxy-only' }
/** The credentials of CTI-OBS at the proxy; iSales does not know them. */
const OBS = { user: 'cti-obs', password: 'known-to-cti-obs-only' }

/**
 * Shows the proxy between a simulated CTI-OBS and a simulated iSales: all in this process, on free
 * ports of loopback. It ends with a summary, when its time is over or it is interrupted.
 *
 * @returns 0 when every business call succeeded, 1 when not, 2 for wrong arguments.
 */
export async function run(args: readonly string[], io: DemoIo): Promise<number> {
  const options = parseDemoArgs(args)
  if (typeof options === 'string') {
    io.stderr.write(`${options}\n`)
    return 2
  }
  const screen = createScreen(io)
  const undo: (() => unknown)[] = []
  try {
    return await show(options, { screen, signal: io.signal, undo })
  } finally {
    for (const step of undo.reverse()) await step()
    screen.end()
  }
}

/** Parses the command line. Returns a message if it is invalid. */
export function parseDemoArgs(args: readonly string[]): DemoOptions | string {
  try {
    const options = {
      seconds: { type: 'string' },
      tls: { type: 'boolean', default: false },
    } as const
    const { values } = parseArgs({ args: [...args], options })
    if (values.seconds === undefined) return { seconds: undefined, tls: values.tls }
    const seconds = Number(values.seconds)
    const isValid = Number.isInteger(seconds) && seconds >= MIN_SECONDS && seconds <= MAX_SECONDS
    if (isValid) return { seconds, tls: values.tls }
    return `--seconds must be a whole number from ${MIN_SECONDS} to ${MAX_SECONDS}.`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

interface Surroundings {
  readonly screen: Screen
  readonly signal: AbortSignal
  /** Steps that undo the start; the last one runs first. */
  readonly undo: (() => unknown)[]
}

async function show(
  { seconds, tls }: DemoOptions,
  { screen, signal, undo }: Surroundings,
): Promise<number> {
  const tokenLifetime = Math.min(TOKEN_LIFETIME, Math.floor((seconds ?? Infinity) * LIFETIME_SHARE))
  const certificates = tls ? await makeCertificates(undo) : undefined
  const simulator = await createSimulator({
    switches: { ...ISALES, tokenLifetime, rotate: true },
    ...(certificates === undefined ? {} : { tls: certificates.server }),
  })
  undo.push(() => simulator.close())
  const report = createReport({
    screen,
    now: () => performance.now(),
    rejected: () => simulator.state().businessRejected,
  })
  const { config, proxy, admin } = await startProxy({
    report,
    undo,
    env: {
      ISALES_URL: simulator.origin,
      ...(certificates === undefined ? {} : { ISALES_CA_FILE: certificates.caFile }),
    },
  })
  introduce(screen, { simulator, proxy, admin, tokenLifetime })
  const client = createObsClient({
    origin: proxy,
    loginPath: config.isalesLoginPath,
    interfacePath: config.isalesInterfacePath,
    ...OBS,
    onCall: report.onCall,
    onTicket: report.onTicket,
  })
  // Not AbortSignal.any with AbortSignal.timeout: on Node 20 the garbage collector takes the
  // timeout away.
  const stop = new AbortController()
  const end = (): void => stop.abort()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const revoke = (): void => {
    report.onRevoked()
    simulator.revoke()
  }
  const timers = [
    setTimeout(revoke, Math.min(FIRST_REVOCATION, (seconds ?? Infinity) * 1000 * REVOCATION_SHARE)),
    setInterval(report.showProgress, screen.live ? LIVE_INTERVAL : PLAIN_INTERVAL),
    seconds === undefined ? setInterval(revoke, NEXT_REVOCATION) : setTimeout(end, seconds * 1000),
  ]
  await client.run(stop.signal)
  for (const timer of timers) clearTimeout(timer)
  screen.end()
  const leaked = client.given.filter((token) => simulator.issued().includes(token)).length
  return report.summarize({ state: simulator.state(), leaked }) ? 0 : 1
}

interface ProxyOptions {
  readonly report: Report
  readonly undo: Surroundings['undo']
  readonly env: Readonly<Record<string, string>>
}

/** Configures the proxy by environment variables, so that the status page shows settings of an operator. */
async function startProxy({ report, undo, env }: ProxyOptions) {
  const loaded = loadConfig({
    ...env,
    ISALES_USER: ISALES.user,
    ISALES_PASSWORD: ISALES.password,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    OBS_USER: OBS.user,
    OBS_PASSWORD: OBS.password,
  })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded))
  const { config } = loaded
  const app = await startApp({
    config,
    version: 'demo',
    log: report.onLog,
  })
  undo.push(() => app.stop())
  return { config, proxy: app.proxy, admin: app.admin }
}

async function makeCertificates(undo: Surroundings['undo']) {
  const directory = await mkdtemp(join(tmpdir(), 'isales-demo-'))
  undo.push(() => rm(directory, { recursive: true, force: true }))
  const authority = await createAuthority()
  const caFile = join(directory, 'ca.pem')
  await writeFile(caFile, authority.cert)
  return { caFile, server: await authority.issue({ names: ['localhost', '127.0.0.1'] }) }
}

interface Shown {
  readonly simulator: Simulator
  readonly proxy: string
  readonly admin: string
  readonly tokenLifetime: number
}

function introduce(
  { paint, print }: Screen,
  { simulator, proxy, admin, tokenLifetime }: Shown,
): void {
  const arrow = paint('dim', '──▶')
  const place = (label: string, url: string, note: string): void =>
    print(`  ${paint('dim', label.padEnd(9))} ${paint('cyan', url)}  ${paint('dim', note)}`)
  print(`\n  CTI-OBS ${arrow} ${paint('bold', 'isales-auth-proxy')} ${arrow} CC-iSales`)
  print(paint('dim', '  CTI-OBS and iSales are simulated, in this process, on loopback.\n'))
  place('proxy', proxy, 'what CTI-OBS has for obsUrl')
  place('iSales', simulator.origin, `tokens live ${tokenLifetime} s`)
  place('status', `${admin}/`, 'for a browser')
  place('metrics', `${admin}/metrics`, 'what Prometheus reads')
  place('health', `${admin}/readyz`, 'what Kubernetes asks')
  place('revoke', `${simulator.controlUrl}/revoke`, 'curl -X POST, and watch')
  print('')
}
