import { setTimeout as delay } from 'node:timers/promises'
import { LOGIN_PATH } from '../../simulator/index.ts'
import type { Span } from './judge.ts'
import { ENDS_TOKEN, type Act } from './plan.ts'
import type { Isales, MountedSecret, Proxy } from './processes.ts'

export const USER = 'obs'
/** A fault that waited for a login may make this one hang. */
const RIVAL_PATIENCE = 2000

interface StageOptions {
  readonly isales: Isales
  readonly proxy: Proxy
  readonly secret: MountedSecret
  /** Milliseconds since the start of the plan. */
  readonly now: () => number
  readonly password: string
}

/** What was done, and when it really was. */
export interface Played {
  readonly storms: Span[]
  readonly earlyEnds: number[]
  /** Logins of the rival, which are not the proxy's. */
  rivalLogins: number
  /** How often each kind of act was played. */
  readonly acts: Map<string, number>
}

/** Plays the acts one after another, each not before its time. */
export async function play(acts: readonly Act[], options: StageOptions): Promise<Played> {
  const played: Played = { storms: [], earlyEnds: [], rivalLogins: 0, acts: new Map() }
  const perform = performer(options, played)
  for (const act of acts) {
    await delay(Math.max(0, act.at - options.now()))
    const name = act.kind === 'command' ? act.command : act.kind
    played.acts.set(name, (played.acts.get(name) ?? 0) + 1)
    const from = options.now()
    await perform(act)
    if (act.kind === 'storm') played.storms.push({ from, to: options.now() })
    if (ENDS_TOKEN.some((ending) => ending === name)) played.earlyEnds.push(from)
  }
  await options.isales.control('clear')
  await options.isales.control('release')
  return played
}

function performer({ isales, proxy, secret, ...start }: StageOptions, played: Played) {
  let { password } = start
  let changes = 0

  async function rival(): Promise<void> {
    await isales.control('set', { singleSession: true })
    const loggedIn = await fetch(`${isales.origin}${LOGIN_PATH}`, {
      method: 'POST',
      body: JSON.stringify({ user: USER, passwd: password }),
      signal: AbortSignal.timeout(RIVAL_PATIENCE),
    }).catch(() => undefined)
    const answer = await loggedIn?.text().catch(() => '')
    if (answer?.includes('"resultData"') === true) played.rivalLogins += 1
    await isales.control('set', { singleSession: false })
  }

  return async (act: Act): Promise<void> => {
    switch (act.kind) {
      case 'command':
        await isales.control(act.command, act.input)
        break
      case 'rotate':
        changes += 1
        password = `${start.password}-${changes}`
        await isales.control('set', { password })
        secret.write(password)
        break
      case 'rival':
        await rival()
        break
      case 'storm':
        await isales.control('failBusiness', { status: 401, times: 'always' })
        await delay(act.ms)
        await isales.control('clear')
        break
      case 'freeze':
        proxy.signal('SIGSTOP')
        await delay(act.ms)
        proxy.signal('SIGCONT')
        break
    }
  }
}
