// Simulates iSales, its callers, and replicas of the token source in virtual time. Counts failed calls and token requests.
import { Secret } from '../../src/config/secret.ts'
import type { AuthFailure, Grant } from '../../src/token/isales-client.ts'
import { createRegister } from '../../src/token/register.ts'
import { createTokenSource } from '../../src/token/token-source.ts'
import type { RejectedToken, TokenSource } from '../../src/token/token-source.ts'
import type { CurrentToken } from '../../src/token/token.ts'
import { seeded } from '../simulation/loop.ts'
import { authFailure } from '../support/failure.ts'
import { manualClock } from '../support/manual-clock.ts'
import { openMemoryStore } from './memory-store.ts'
import { grant, RULES } from './support.ts'

/** Behavior of iSales, which a scenario may change while it runs. */
const SWITCHES = {
  /** A login ends all earlier sessions. */
  singleSession: false,
  refreshEndsOld: false,
  failsLogins: false,
  /** Duration in milliseconds. */
  callTakes: 10,
  loginTakes: 30,
}

interface Session {
  isOver: boolean
}
interface Issued {
  readonly session: Session
  readonly endsAt: number
  isOver: boolean
}

export interface WorldOptions extends Partial<typeof SWITCHES> {
  readonly minutes: number
  /** Mean milliseconds between two ordinary calls of a replica. */
  readonly calls: number
  /** Number of replicas, which share a token. Default: one, without a store. */
  readonly replicas?: number
}

export type ScenarioWorld = ReturnType<typeof openScenario>

/** Milliseconds from the start of a call. */
const DEADLINE = 2800
const MINUTE = 60_000
/** Seconds. */
const TOKEN_LIFETIME = 300
const REFUSED = authFailure('rejected', 'account', { status: 401 })
const UNCLEAR = authFailure('unknown', 'timeout')

/** iSales rejects `refused` with any token. */
type Path = 'ordinary' | 'refused'

export function openScenario(options: WorldOptions) {
  const { minutes, calls: interval, replicas = 1, ...given } = options
  const end = minutes * MINUTE
  const clock = manualClock(0)
  const isales = { ...SWITCHES, ...given }
  const random = seeded(1)
  const tokens = new Map<string, Issued>()
  const requests: number[] = []
  const bad: number[] = []
  let conflicts = 0

  const issue = (session: Session): Grant => {
    const name = `t${tokens.size + 1}`
    const at = clock.now()
    tokens.set(name, { session, endsAt: at + TOKEN_LIFETIME * 1000, isOver: false })
    const sentAt = at - isales.loginTakes / 2
    return grant({ token: name, refreshToken: name, sentAt, lives: TOKEN_LIFETIME })
  }
  /** Ends all sessions, with their tokens and refresh tokens. */
  const endSessions = (): void => {
    for (const token of tokens.values()) token.session.isOver = true
  }
  const login = (): Grant => {
    if (isales.singleSession) endSessions()
    return issue({ isOver: false })
  }
  const refresh = (name: string): Grant | AuthFailure => {
    const previous = tokens.get(name)
    if (previous === undefined || previous.session.isOver) return REFUSED
    if (isales.refreshEndsOld) previous.isOver = true
    return issue(previous.session)
  }
  const asked = async <T>(act: () => T): Promise<T> => {
    requests.push(clock.now())
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
    const isGood = token && !token.session.isOver && !token.isOver && now < token.endsAt
    await clock.sleep(takes / 2)
    return path === 'ordinary' && isGood ? 200 : 401
  }

  const openShare = replicas > 1 ? openMemoryStore(clock) : undefined
  /** Opens a token source and its register, in memory or on a store, whose operations take 1 ms. */
  const openReplica = (replica: number): TokenSource => {
    const share = openShare?.((swap) => clock.sleep(1).then(swap))
    const common = { rules: RULES, clock, random: seeded(100 + replica) }
    const register = createRegister(clock, share?.home)
    const source = createTokenSource({
      ...common,
      register,
      client: {
        login: () => asked(() => (isales.failsLogins ? UNCLEAR : login())),
        refresh: ({ refreshToken }) => asked(() => refresh(refreshToken.reveal())),
      },
      credentials: { user: 'obs', password: new Secret('right') },
      observe: ({ type }) => (conflicts += type === 'conflict' ? 1 : 0),
    })
    register.start(source.poll)
    source.start()
    return source
  }
  const sources = Array.from({ length: replicas }, (_, replica) => openReplica(replica))

  /** Makes one call as the proxy does, with its replays. Returns the status, 503 without a token, or 504 if late. */
  async function send(source: TokenSource, path: Path): Promise<number> {
    const deadline = clock.now() + DEADLINE
    const first = source.current() ?? (await source.waitForToken({ deadline }))
    if ('unavailable' in first) return 503
    let token: CurrentToken = first
    let rejected: RejectedToken | undefined
    for (let replays = 0; ; replays += 1) {
      const sentAt = clock.now()
      const status = await business(token.headerValue.reveal(), path)
      if (status === 200) {
        source.accept(token, sentAt, rejected)
        return clock.now() <= deadline ? status : 504
      }
      const decision = await source.reject(token, { status, rejected, replays, deadline })
      if (decision.type === 'relay') return status
      if (decision.type === 'no-token') return 503
      ;({ token, rejected } = decision)
    }
  }

  /** Lets every replica make calls until the end, with mean intervals of `every` milliseconds. */
  const traffic = (path: Path, every: number): void => {
    for (const source of sources) {
      const call = async (): Promise<void> => {
        const at = clock.now()
        const status = await send(source, path)
        if (path === 'ordinary' && status !== 200) bad.push(at)
      }
      const next = (): void => {
        if (clock.now() >= end) return
        void call()
        clock.setTimer(next, every * (0.5 + random()))
      }
      clock.setTimer(next, every * random())
    }
  }
  traffic('ordinary', interval)

  const repeat = (every: number, act: () => void): void => {
    if (clock.now() >= end) return
    act()
    clock.setTimer(() => repeat(every, act), every)
  }

  return {
    isales,
    login,
    endSessions,
    traffic,
    repeat,

    /** Ends all tokens, but no refresh tokens. */
    endTokens: (): void => {
      for (const token of tokens.values()) token.isOver = true
    },

    at: (when: number, act: () => void) => void clock.setTimer(act, when - clock.now()),

    async result() {
      await clock.advance(end)
      const inMinute = requests.map(
        (at) => requests.filter((one) => one >= at && one < at + MINUTE).length,
      )
      for (const source of sources) void source.stop()
      return {
        /** Ordinary calls that did not succeed. */
        bad: bad.length,
        /** Milliseconds from the first failed call to the last. */
        badFor: bad.length === 0 ? 0 : Math.max(...bad) - Math.min(...bad),
        requests: requests.length,
        perMinute: Math.max(0, ...inMinute),
        conflicts,
      }
    },
  }
}
