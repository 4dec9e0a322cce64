import { setTimeout as delay } from 'node:timers/promises'
import { LOGIN_PATH, type Simulator } from '../../simulator/index.ts'
import { isCommand, runCommand } from '../../simulator/server.ts'
import type { Span } from './judge.ts'
import { ENDS_TOKEN, type Act } from './plan.ts'
import type { MountedSecret, Proxy } from './proxy.ts'
import type { Store } from './store.ts'
import { PROBED_PATH } from './traffic.ts'

/** A fault that waited for a login may make that of the rival hang. */
const RIVAL_TIMEOUT = 2000

interface ActsOptions {
  readonly isales: Simulator
  /** One after the other is restarted, or stopped for a while. */
  readonly proxies: readonly Proxy[]
  /** Undefined: the proxies do not share. */
  readonly store: Store | undefined
  readonly secret: MountedSecret
  /** Milliseconds since the start of the plan. */
  readonly now: () => number
}

/** What was done, and when it really was. */
export interface Played {
  readonly storms: Span[]
  readonly forbidden: Span[]
  readonly earlyEnds: number[]
  readonly outages: Span[]
  /** The rival's attempts to log in, which are not the proxy's, and how many gave it a token. */
  readonly rivals: Span[]
  rivalLogins: number
  /** How often each kind of act was played. */
  readonly acts: Map<string, number>
}

/** Plays the acts one after another, each not before its time. */
export async function play(acts: readonly Act[], options: ActsOptions): Promise<Played> {
  const { isales, proxies, store, secret, now } = options
  const played: Played = {
    storms: [],
    forbidden: [],
    earlyEnds: [],
    outages: [],
    rivals: [],
    rivalLogins: 0,
    acts: new Map(),
  }
  const permitted: Promise<unknown>[] = []
  const initial = isales.switches.password
  const { singleSession } = isales.switches
  let downSince = 0
  let changes = 0
  let turn = 0
  const next = (): Proxy | undefined => proxies[(turn += 1) % proxies.length]

  async function rival(): Promise<void> {
    const { user, password } = isales.switches
    const from = now()
    isales.set({ singleSession: true })
    const response = await fetch(`${isales.origin}${LOGIN_PATH}`, {
      method: 'POST',
      body: JSON.stringify({ user, passwd: password }),
      signal: AbortSignal.timeout(RIVAL_TIMEOUT),
    }).catch(() => undefined)
    const text = await response?.text().catch(() => '')
    if (text?.includes('"resultData"') === true) played.rivalLogins += 1
    isales.set({ singleSession })
    played.rivals.push({ from, to: now() })
  }

  /** Not waited for: the other acts go on while the path is forbidden. */
  async function forbid({ ms, status, body }: Extract<Act, { kind: 'forbid' }>): Promise<void> {
    const from = now()
    isales.set({
      forbiddenPath: PROBED_PATH,
      forbiddenStatus: status,
      forbiddenBody: body as 'json' | 'html' | 'empty',
    })
    await delay(ms)
    isales.set({ forbiddenPath: null })
    played.forbidden.push({ from, to: now() })
  }

  async function perform(act: Act): Promise<void> {
    switch (act.kind) {
      case 'command':
        if (isCommand(act.command)) await runCommand(isales, act.command, act.input)
        if (act.command === 'down') downSince = now()
        if (act.command === 'up') played.outages.push({ from: downSince, to: now() })
        break
      case 'rotate':
        changes += 1
        isales.set({ password: `${initial}-${changes}` })
        secret.write(isales.switches.password)
        break
      case 'rival':
        await rival()
        break
      case 'storm':
        isales.failBusiness({ status: 401, seconds: act.ms / 1000 })
        await delay(act.ms)
        break
      case 'forbid':
        await Promise.all(permitted.splice(0))
        permitted.push(forbid(act))
        break
      case 'freeze': {
        const proxy = next()
        proxy?.signal('SIGSTOP')
        await delay(act.ms)
        proxy?.signal('SIGCONT')
        break
      }
      case 'restart': {
        const proxy = next()
        await proxy?.stop()
        secret.write('not-the-password')
        await proxy?.start()
        await delay(act.ms)
        secret.write(isales.switches.password)
        break
      }
      case 'store-killed':
      case 'store-frozen':
      case 'store-emptied':
        await store?.perform(act.kind, act.ms)
        break
    }
  }

  for (const act of acts) {
    await delay(Math.max(0, act.at - now()))
    const name = act.kind === 'command' ? act.command : act.kind
    played.acts.set(name, (played.acts.get(name) ?? 0) + 1)
    const from = now()
    await perform(act)
    if (act.kind === 'storm') played.storms.push({ from, to: now() })
    if (ENDS_TOKEN.some((ending) => ending === name)) played.earlyEnds.push(from)
  }
  await Promise.all(permitted)
  isales.clear()
  isales.release()
  return played
}
