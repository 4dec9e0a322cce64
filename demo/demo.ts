import { createObsClient } from './obs-client.ts'
import { parseDemoArgs, type DemoOptions } from './options.ts'
import { createScreen, type Piece, type Screen, type Terminal } from './screen.ts'
import { OBS_PASSWORD, OBS_USER, openStage, type Stage } from './stage.ts'
import { createStory, seconds, whole, type Story, type TokenView } from './story.ts'
import { printSummary, succeeded } from './summary.ts'
import { createTally, type Tally } from './tally.ts'

/** What the demo knows of its process. */
export interface DemoIo extends Terminal {
  readonly stderr: { write(text: string): unknown }
  /** Ends the run when it is aborted. */
  readonly signal: AbortSignal
}

/** Seconds. */
const TOKEN_LIFETIME = 20
/** Of the time that a run has: the token that replaces the revoked one is then renewed before the end. */
const LIFETIME_SHARE = 0.68
/** Milliseconds; of a run without an end. With one it is a third of the time. */
const FIRST_REVOCATION = 10_000
const NEXT_REVOCATION = 45_000
const LIVE_EVERY = 100
const PLAIN_EVERY = 5000

/**
 * Shows the proxy at work between a simulated CTI-OBS and a simulated iSales: all in this process, on free ports of
 * loopback.
 *
 * It ends with a summary, when its time is over or it is interrupted.
 *
 * @returns 0 when every business call was answered with success, 1 when not, 2 for arguments that are none.
 */
export async function run(args: readonly string[], io: DemoIo): Promise<number> {
  const options = parseDemoArgs(args)
  if (typeof options === 'string') {
    io.stderr.write(`${options}\n`)
    return 2
  }
  const screen = createScreen(io)
  try {
    return await perform(options, screen, io.signal)
  } finally {
    screen.end()
  }
}

async function perform(
  { seconds: limit, tls }: DemoOptions,
  screen: Screen,
  signal: AbortSignal,
): Promise<number> {
  const now = () => performance.now()
  const startedAt = now()
  const tally = createTally(now)
  const rejected = (): number => stage.sim.state().businessRejected
  const story = createStory({ screen, now, startedAt, rejected })
  const tokenLifetime = Math.min(TOKEN_LIFETIME, Math.floor((limit ?? Infinity) * LIFETIME_SHARE))
  const stage = await openStage({
    tls,
    tokenLifetime,
    onTokenEvent: story.onTokenEvent,
    onLog: story.onLog,
  })
  try {
    introduce(screen, stage, tokenLifetime)
    // Not AbortSignal.any with AbortSignal.timeout: on Node 20 the garbage collector takes the timeout away.
    const stop = new AbortController()
    const end = (): void => stop.abort()
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    if (limit !== undefined) setTimeout(end, limit * 1000)
    const timers = schedule({ limit, stage, story, screen, tally, startedAt })
    const client = clientOf(stage, story, tally)
    await client.run(stop.signal)
    for (const timer of timers) clearInterval(timer)
    screen.end()
    const state = stage.sim.state()
    const leaked = client.given.filter((token) => stage.sim.issued().includes(token)).length
    const shown = { tally, counts: story.counts, state, leaked, ran: now() - startedAt }
    printSummary(screen, shown)
    return succeeded(shown) ? 0 : 1
  } finally {
    await stage.close()
  }
}

function clientOf(stage: Stage, story: Story, tally: Tally) {
  return createObsClient({
    origin: stage.proxy,
    loginPath: stage.config.isalesLoginPath,
    interfacePath: stage.config.isalesInterfacePath,
    user: OBS_USER,
    password: OBS_PASSWORD,
    onCall(call) {
      tally.add(call)
      if (!call.ok) story.onFailedCall(call.name, call.problem ?? '')
    },
    onTicket: story.onTicket,
  })
}

interface Show {
  readonly limit: number | undefined
  readonly stage: Stage
  readonly story: Story
  readonly screen: Screen
  readonly tally: Tally
  readonly startedAt: number
}

/** Revocations, and what is shown of time passing. */
function schedule({ limit, stage, story, screen, tally, startedAt }: Show): NodeJS.Timeout[] {
  const revoke = (): void => {
    story.onRevoked()
    stage.sim.revoke()
  }
  const first = limit === undefined ? FIRST_REVOCATION : (limit * 1000) / 3
  const refresh = (): void => {
    const at = performance.now()
    if (screen.live) screen.show(liveLine(story.token, tally, at))
    else screen.print(plainLine(story.token, tally, at - startedAt))
  }
  return [
    setTimeout(revoke, first),
    ...(limit === undefined ? [setInterval(revoke, NEXT_REVOCATION)] : []),
    setInterval(refresh, screen.live ? LIVE_EVERY : PLAIN_EVERY),
  ]
}

function introduce({ paint, print }: Screen, stage: Stage, tokenLifetime: number): void {
  const arrow = paint('dim', '──▶')
  const place = (label: string, url: string, note: string): void =>
    print(`  ${paint('dim', label.padEnd(9))} ${paint('cyan', url)}  ${paint('dim', note)}`)
  print('')
  print(`  CTI-OBS ${arrow} ${paint('bold', 'isales-auth-proxy')} ${arrow} CC-iSales`)
  print(paint('dim', '  CTI-OBS and iSales are simulated, in this process, on loopback.'))
  print('')
  place('proxy', stage.proxy, 'what CTI-OBS has for obsUrl')
  place('iSales', stage.sim.origin, `tokens live ${tokenLifetime} s`)
  place('status', `${stage.admin}/`, 'for a browser')
  place('metrics', `${stage.admin}/metrics`, 'what Prometheus reads')
  place('health', `${stage.admin}/readyz`, 'what Kubernetes asks')
  place('revoke', `${stage.sim.controlUrl}/revoke`, 'curl -X POST, and watch')
  print('')
}

const BAR = 20

function liveLine(token: TokenView | undefined, tally: Tally, at: number): readonly Piece[] {
  const counted: readonly Piece[] = [
    ['bold', `${tally.requests.toLocaleString('en')} requests`],
    ['dim', ` · ${tally.rate(at)}/s`],
    [tally.failed === 0 ? 'green' : 'red', ` · ${tally.failed} failed`],
    ['dim', ` · p99 ${whole(tally.percentile(0.99, 1000))} ms`],
  ]
  if (token === undefined) return [['yellow', '  no token yet  '], ...counted]
  const age = Math.min(at - token.since, token.lifetime)
  const spent = Math.round((age / token.lifetime) * BAR)
  return [
    [undefined, '  '],
    ['cyan', '━'.repeat(BAR - spent)],
    ['dim', '─'.repeat(spent)],
    ['bold', `  token ${token.generation}`],
    ['dim', ` ${seconds(age)} of ${whole(token.lifetime / 1000)} s  `],
    ...counted,
  ]
}

function plainLine(token: TokenView | undefined, tally: Tally, elapsed: number): string {
  const at = performance.now()
  const held =
    token === undefined
      ? 'no token yet'
      : `token ${token.generation} is ${seconds(at - token.since)} old of ${whole(token.lifetime / 1000)} s`
  const counted = `${tally.requests} requests, ${tally.rate(at)}/s, ${tally.failed} failed`
  return `${seconds(elapsed).padStart(8)}    ${'traffic'.padEnd(9)} ${held}; ${counted}`
}
