// iSales, its callers and replicas of the token source in virtual time: what calls get, and what iSales is asked for.
import { Secret } from '../../src/config/secret.ts'
import { createSealer } from '../../src/sharing/sealer.ts'
import { createShare } from '../../src/sharing/share.ts'
import type { Store } from '../../src/sharing/store.ts'
import type { AuthFailure, Grant, IsalesClient } from '../../src/token/isales-client.ts'
import { createRegister } from '../../src/token/register.ts'
import { createTokenRequests } from '../../src/token/request-token.ts'
import {
  createTokenSource,
  type RejectedToken,
  type TokenSource,
} from '../../src/token/token-source.ts'
import type { Token, TokenEvent } from '../../src/token/token.ts'
import { seeded } from '../simulation/loop.ts'
import { compareAndSwap } from '../simulation/swap.ts'
import { authFailure } from '../support/failure.ts'
import { manualClock, type ManualClock } from '../support/manual-clock.ts'
import { RULES } from './support.ts'

/** What iSales does beside granting tokens; a scenario changes it while it runs. */
const SWITCHES = {
  /** A login ends all sessions before it. */
  singleSession: false,
  /** A refresh ends the token that it is of. */
  refreshEndsOld: false,
  /** All calls are rejected, whatever their token. */
  refusesAll: false,
  /** No login has a response that says yes or no. */
  failsLogins: false,
  /** Milliseconds until the second of two nodes knows a new token. Calls take turns. */
  nodeLag: 0,
  /** Milliseconds of a call, and of a token request. */
  callTakes: 10,
  loginTakes: 30,
  /** Seconds. */
  tokenLifetime: 300,
}

interface Session {
  isOver: boolean
}
interface Issued {
  readonly session: Session
  readonly at: number
  readonly endsAt: number
  isOver: boolean
}

export interface WorldOptions extends Partial<typeof SWITCHES> {
  /** Default: 1. */
  readonly replicas?: number
  /** They share a token. Default: false. */
  readonly shared?: boolean
  /** Of all random numbers. Default: 1. */
  readonly seed?: number
}

export type ScenarioWorld = ReturnType<typeof openScenario>

/** Milliseconds from the start of a call. */
const DEADLINE = 2800
const MINUTE = 60_000
const REFUSED = authFailure('refused', 'account', { status: 401 })
const UNCLEAR = authFailure('unknown', 'timeout')

/** @param path `refused` is rejected whatever its token, `public` is answered without a look at it. */
type Path = 'ordinary' | 'refused' | 'public'

export function openScenario(options: WorldOptions = {}) {
  const { replicas = 1, shared = false, seed = 1, ...given } = options
  const clock = manualClock(0)
  const isales = { ...SWITCHES, ...given }
  const random = seeded(seed)
  const tokens = new Map<string, Issued>()
  const requests: { readonly at: number; readonly replica: number }[] = []
  const bad: { readonly at: number; readonly status: number }[] = []
  let calls = 0
  let conflicts = 0
  let turn = 0

  const issue = (session: Session): Grant => {
    const name = `t${tokens.size + 1}`
    const at = clock.now()
    tokens.set(name, { session, at, endsAt: at + isales.tokenLifetime * 1000, isOver: false })
    return {
      token: new Secret(name),
      refreshToken: new Secret(name),
      sentAt: at - isales.loginTakes / 2,
      lifetime: { ms: isales.tokenLifetime * 1000 },
      refreshLifetime: 3_600_000,
    }
  }
  const endAll = (): void => {
    for (const token of tokens.values()) token.session.isOver = true
  }
  const login = (): Grant => {
    if (isales.singleSession) endAll()
    return issue({ isOver: false })
  }
  const refresh = (name: string): Grant | AuthFailure => {
    const former = tokens.get(name)
    if (former === undefined || former.session.isOver) return REFUSED
    if (isales.refreshEndsOld) former.isOver = true
    return issue(former.session)
  }
  const asked = async <T>(replica: number, act: () => T): Promise<T> => {
    requests.push({ at: clock.now(), replica })
    const takes = isales.loginTakes
    await clock.sleep(takes / 2)
    const outcome = act()
    await clock.sleep(takes / 2)
    return outcome
  }
  const business = async (header: string, path: Path): Promise<number> => {
    const takes = isales.callTakes * (0.5 + random())
    await clock.sleep(takes / 2)
    const token = tokens.get(header.replace('Bearer ', ''))
    const now = clock.now()
    turn += 1
    const isKnown = turn % 2 === 0 || now >= (token?.at ?? 0) + isales.nodeLag
    const isGood = token && !token.session.isOver && !token.isOver && now < token.endsAt && isKnown
    const accepts = path === 'public' || (path === 'ordinary' && isGood && !isales.refusesAll)
    await clock.sleep(takes / 2)
    return accepts ? 200 : 401
  }

  const store = shared ? openStore(clock) : undefined
  const sources: readonly TokenSource[] = Array.from({ length: replicas }, (_, replica) =>
    openReplica({
      clock,
      random: seeded(100 * seed + replica),
      client: {
        login: () => asked(replica, () => (isales.failsLogins ? UNCLEAR : login())),
        refresh: ({ refreshToken }) => asked(replica, () => refresh(refreshToken.reveal())),
      },
      store,
      observe: ({ type }) => (conflicts += type === 'conflict' ? 1 : 0),
    }),
  )

  /** One call as the proxy makes it: sent, judged, and sent again. @returns its status; 503: it got no token. */
  async function send(source: TokenSource, path: Path, signal?: AbortSignal): Promise<number> {
    const deadline = clock.now() + DEADLINE
    const first = source.current() ?? (await source.waitForToken({ deadline, signal }))
    if ('unavailable' in first) return 503
    let token: Token = first
    let rejected: RejectedToken | undefined
    for (let replays = 0; ; replays += 1) {
      const sentAt = clock.now()
      const status = await business(token.headerValue.reveal(), path)
      if (status === 200) {
        source.accept(token, sentAt, rejected)
        return clock.now() <= deadline ? status : 504
      }
      const verdict = await source.reject(token, { status, rejected, replays, deadline, signal })
      if (verdict.type === 'relay') return status
      if (verdict.type === 'no-token') return 503
      ;({ token, rejected } = verdict)
    }
  }

  return {
    clock,
    isales,
    login,

    /** iSales ends all sessions: neither a token nor its refresh token serves any more. */
    endSessions: endAll,

    /** iSales ends the tokens alone: a refresh token still serves. */
    endTokens: (): void => {
      for (const token of tokens.values()) token.isOver = true
    },

    /**
     * Calls of each replica from now until an instant.
     *
     * @param every milliseconds between two of one replica, on average.
     * @param patience the client hangs up after so many milliseconds. Default: it waits.
     */
    traffic(path: Path, every: number, until: number, patience?: number): void {
      for (const source of sources) {
        const call = async (): Promise<void> => {
          const hangUp = new AbortController()
          if (patience !== undefined) clock.setTimer(() => hangUp.abort(), patience * random())
          const at = clock.now()
          const status = await send(source, path, hangUp.signal)
          if (path !== 'ordinary' || patience !== undefined) return
          calls += 1
          if (status !== 200) bad.push({ at, status })
        }
        const next = (): void => {
          if (clock.now() >= until) return
          void call()
          clock.setTimer(next, every * (0.5 + random()))
        }
        clock.setTimer(next, every * random())
      }
    },

    /** Does it at once, and again after each `every` milliseconds until an instant. */
    repeat(every: number, until: number, act: () => void): void {
      const next = (): void => {
        if (clock.now() >= until) return
        act()
        clock.setTimer(next, every)
      }
      next()
    },

    at: (when: number, act: () => void) => void clock.setTimer(act, when - clock.now()),

    /** What has come of it, up to an instant. */
    async result(end: number, from = 0) {
      await clock.advance(end)
      const counted = requests.filter(({ at }) => at >= from)
      const most = (replica?: number): number => {
        const mine = counted.filter((one) => replica === undefined || one.replica === replica)
        return Math.max(
          0,
          ...mine.map(
            ({ at }) => mine.filter((one) => one.at >= at && one.at < at + MINUTE).length,
          ),
        )
      }
      const perReplica = Math.max(...sources.map((_, replica) => most(replica)))
      for (const source of sources) void source.stop()
      return {
        calls,
        /** Ordinary calls that did not succeed. */
        bad: bad.length,
        /** Milliseconds from the first of them to the last. */
        badFor:
          bad.length === 0
            ? 0
            : Math.max(...bad.map(({ at }) => at)) - Math.min(...bad.map(({ at }) => at)),
        requests: counted.length,
        /** The most token requests in a minute: of the account with a shared store, else of one replica. */
        perMinute: shared ? most() : perReplica,
        conflicts,
      }
    },
  }
}

// Replicas of the token source with the register behind it: in memory, or on a store in memory.

/** Milliseconds of one operation of the store. */
const STORE_LATENCY = 1

function openStore(clock: ManualClock) {
  let value = ''
  const connect = (): Store => ({
    async compareAndSwap(seen, next) {
      await clock.sleep(STORE_LATENCY)
      value = compareAndSwap(value, seen, next)
      return { value, at: clock.now() + 1e12 }
    },
    start: (onConnection) => onConnection(),
    stop() {},
  })
  return { connect }
}

interface ReplicaOptions {
  readonly clock: ManualClock
  readonly random: () => number
  readonly client: IsalesClient
  readonly store: ReturnType<typeof openStore> | undefined
  readonly observe: (event: TokenEvent) => void
}

function openReplica({ clock, random, client, store, observe }: ReplicaOptions) {
  const sealer = createSealer(new Secret('k'.repeat(40)), 'https://isales.test', 'obs')
  const share = store && createShare({ clock, store: store.connect(), sealer, onUnreadable() {} })
  const register = createRegister({ home: share?.home, clock })
  const { propagationDelay } = register
  const requests = createTokenRequests({ client, register, rules: RULES, clock, random })
  const credentials = { user: 'obs', password: new Secret('right') }
  const { requestToken } = requests
  const parts = { rules: RULES, clock, random, requestToken, propagationDelay, credentials }
  const source = createTokenSource({ ...parts, observe })
  share?.start(async () => {
    const found = await requests.poll()
    if (found !== undefined) source.adopt(found)
  })
  source.start()
  return source
}
