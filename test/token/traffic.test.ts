import { expect, test } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { memoryHome, withAttempts } from '../../src/token/attempts.ts'
import type { AuthFailure, Grant } from '../../src/token/protocol.ts'
import { createTokenSource } from '../../src/token/source.ts'
import type { Token } from '../../src/token/token.ts'
import { manualClock } from '../support/manual-clock.ts'
import { RULES } from './support.ts'

// The judgement of rejections under traffic, in virtual time: the token source and the book are real, iSales and the
// network are simulated.

const CALL = 6
const TOKEN_REQUEST = 20
const DEADLINE = 2700

/** Which statuses iSales gives to a call. */
interface Call {
  readonly kind: 'good' | 'refused'
  /** The client leaves when it has waited so long. Default: it does not. */
  readonly leavesAfter?: number
  /** Default: 6 ms. */
  readonly takes?: number
}

interface Traffic {
  readonly seconds: number
  /** Each so many milliseconds. */
  readonly calls: readonly { readonly every: number; readonly call: (index: number) => Call }[]
  /** What happens at iSales, by milliseconds from the start. */
  readonly acts?: readonly { readonly every: number; readonly act: 'revoke' }[]
  readonly revokedAt?: readonly number[]
  /** Milliseconds from and to. */
  readonly loginDown?: readonly [number, number]
  /** Judges a call with a valid token by chance; gets a number in [0, 1) that is the same in each run. */
  readonly gateway?: (random: number, at: number) => boolean
  /** When one of two nodes of iSales forgets the token, milliseconds from the start. */
  readonly forgottenAt?: number
  /** So many sources log in as one user, who has one session. Default: 1. */
  readonly proxies?: number
}

interface Outcome {
  readonly good: number
  readonly failed: number
  readonly slowest: number
  readonly refused: number
  /** Refused calls that got the rejection of iSales. */
  readonly relayed: number
  readonly logins: number
}

/** Park and Miller: the same numbers in each run. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

async function play(traffic: Traffic): Promise<Outcome> {
  const clock = manualClock()
  const startedAt = clock.now()
  const chance = generator(4711)
  const elapsed = (): number => clock.now() - startedAt
  const after = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      clock.setTimer(resolve, ms)
    })
  let valid = ''
  let forgotten: string | undefined
  let tokens = 0
  let logins = 0
  const outcome = { good: 0, failed: 0, slowest: 0, refused: 0, relayed: 0 }

  const login = async (): Promise<Grant | AuthFailure> => {
    const sentAt = clock.now()
    logins += 1
    await after(TOKEN_REQUEST / 2)
    const [from = 0, to = 0] = traffic.loginDown ?? []
    if (elapsed() >= from && elapsed() < to) {
      await after(TOKEN_REQUEST / 2)
      return { kind: 'untouched', reason: 'unavailable', status: 503, detail: 'status 503' }
    }
    tokens += 1
    valid = `token-${tokens}`
    const token = new Secret(valid)
    await after(TOKEN_REQUEST / 2)
    return { token, sentAt, lifetime: { ms: 300_000 } }
  }

  const sources = Array.from({ length: traffic.proxies ?? 1 }, () =>
    createTokenSource({
      rules: RULES,
      clock,
      random: chance,
      client: withAttempts({
        client: { login, refresh: login },
        home: memoryHome(),
        rules: { loginRejectedAttempts: 3 },
        clock,
        random: chance,
      }),
      credentials: { user: 'obs', password: new Secret('right') },
      observe: () => undefined,
    }),
  )

  const isAccepted = (call: Call, token: Token): boolean =>
    call.kind === 'good' &&
    token.token.reveal() === valid &&
    !(valid === forgotten && chance() < 0.5) &&
    traffic.gateway?.(chance(), elapsed()) !== true

  const send = async (source: (typeof sources)[number], call: Call): Promise<void> => {
    const begunAt = clock.now()
    const deadline = begunAt + DEADLINE
    const left = new AbortController()
    if (call.leavesAfter !== undefined) clock.setTimer(() => left.abort(), call.leavesAfter)
    let token = source.current() ?? (await source.waitForToken({ deadline }))
    let rejected: number | undefined
    let status: 'accepted' | 'rejected' | 'none' = 'none'
    for (let replays = 0; !('unavailable' in token); replays += 1) {
      const { takes = CALL } = call
      const sentAt = clock.now()
      await after(takes / 2)
      const accepted = isAccepted(call, token)
      await after(takes / 2)
      if (left.signal.aborted) return
      status = accepted ? 'accepted' : 'rejected'
      if (accepted) {
        source.accept(token, sentAt, rejected)
        break
      }
      const rejection = { status: 401, rejected, replays, replayable: true, deadline }
      rejected = token.generation
      const verdict = await source.reject(token, { ...rejection, signal: left.signal })
      if (left.signal.aborted) return
      if (verdict.type !== 'replay') {
        if (verdict.type === 'no-token') status = 'none'
        break
      }
      ;({ token } = verdict)
    }
    if (call.kind === 'refused') {
      outcome.refused += 1
      outcome.relayed += Number(status === 'rejected')
      return
    }
    outcome.good += 1
    outcome.failed += Number(status !== 'accepted')
    outcome.slowest = Math.max(outcome.slowest, clock.now() - begunAt)
  }

  for (const source of sources) source.start()
  await clock.advance(1000 + TOKEN_REQUEST)
  await clock.advance(startedAt + 10_000 - clock.now())
  const loginsBefore = logins
  const begin = clock.now()
  const end = begin + traffic.seconds * 1000
  const repeat = (every: number, run: (index: number) => void): void => {
    let index = 0
    const next = (): void => {
      if (clock.now() >= end) return
      run(index)
      index += 1
      clock.setTimer(next, every)
    }
    clock.setTimer(next, every * chance())
  }
  for (const source of sources) {
    for (const { every, call } of traffic.calls)
      repeat(every, (index) => void send(source, call(index)))
  }
  const revoke = (): void => {
    valid = ''
  }
  for (const { every } of traffic.acts ?? []) repeat(every, revoke)
  if (traffic.forgottenAt !== undefined) {
    clock.setTimer(() => {
      forgotten = valid
    }, traffic.forgottenAt)
  }
  for (const at of traffic.revokedAt ?? []) clock.setTimer(revoke, at)
  await clock.advance(traffic.seconds * 1000 + DEADLINE)
  for (const source of sources) void source.stop()
  return { ...outcome, logins: logins - loginsBefore }
}

const good = (every: number) => ({ every, call: (): Call => ({ kind: 'good' }) })
const refused = (every: number) => ({ every, call: (): Call => ({ kind: 'refused' }) })

interface Row {
  readonly name: string
  readonly traffic: Traffic
  /** At most. */
  readonly failed: number
  readonly logins: number
  readonly slowest?: number
}

const ROWS: readonly Row[] = [
  {
    name: 'revoked twice',
    traffic: { seconds: 60, calls: [good(50)], revokedAt: [20_000, 40_000] },
    failed: 0,
    logins: 2,
    slowest: 50,
  },
  {
    name: 'another login each 8 s',
    traffic: { seconds: 60, calls: [good(50)], acts: [{ every: 8000, act: 'revoke' }] },
    failed: 0,
    logins: 8,
  },
  {
    name: 'another login each 4 s',
    traffic: { seconds: 60, calls: [good(50)], acts: [{ every: 4000, act: 'revoke' }] },
    failed: 0,
    logins: 15,
  },
  {
    name: 'another login each second',
    traffic: { seconds: 60, calls: [good(50)], acts: [{ every: 1000, act: 'revoke' }] },
    failed: 0,
    logins: 36,
  },
  {
    name: 'one refused path, 1 call a second',
    traffic: { seconds: 60, calls: [good(50), refused(1000)] },
    failed: 0,
    logins: 2,
  },
  {
    name: '20 calls a second refused',
    traffic: { seconds: 60, calls: [good(50), refused(50)] },
    failed: 0,
    logins: 2,
  },
  {
    name: '20 calls a second refused, and nine of ten clients leave before the replay',
    traffic: {
      seconds: 60,
      calls: [
        good(50),
        {
          every: 50,
          call: (index) => ({ kind: 'refused', ...(index % 10 === 9 ? {} : { leavesAfter: 10 }) }),
        },
      ],
    },
    failed: 0,
    logins: 4,
  },
  {
    name: '1 call a second refused, and nothing else, 600 s',
    traffic: { seconds: 600, calls: [refused(1000)] },
    failed: 0,
    logins: 10,
  },
  {
    name: 'one path refused, and the token revoked at 30 s',
    traffic: { seconds: 60, calls: [good(50), refused(1000)], revokedAt: [30_000] },
    failed: 0,
    logins: 3,
    slowest: 560,
  },
  {
    name: 'a gateway that refuses 5 % for 20 s',
    traffic: {
      seconds: 60,
      calls: [good(50)],
      gateway: (random, at) => at > 20_000 && at < 40_000 && random < 0.05,
    },
    failed: 4,
    logins: 10,
  },
  {
    name: 'one of two nodes of iSales forgets the token',
    traffic: { seconds: 60, calls: [good(50)], forgottenAt: 20_000 },
    failed: 0,
    logins: 2,
  },
  {
    name: 'slow calls, and the token revoked each 5 s',
    traffic: {
      seconds: 60,
      calls: [{ every: 50, call: (index) => ({ kind: 'good', takes: 5 + ((index * 37) % 400) }) }],
      acts: [{ every: 5000, act: 'revoke' }],
    },
    failed: 0,
    logins: 13,
  },
  {
    name: 'two proxies without a store on an account of one session',
    traffic: { seconds: 60, calls: [good(100)], proxies: 2 },
    failed: 0,
    logins: 80,
  },
  {
    name: 'revoked while the login is down for 3 s',
    traffic: { seconds: 30, calls: [good(50)], revokedAt: [10_000], loginDown: [20_000, 23_000] },
    failed: 80,
    logins: 12,
  },
]

test.each(ROWS)('$name', async ({ traffic, failed, logins, slowest = DEADLINE + 20 }) => {
  const outcome = await play(traffic)

  expect(outcome.failed).toBeLessThanOrEqual(failed)
  expect(outcome.logins).toBeLessThanOrEqual(logins)
  expect(outcome.slowest).toBeLessThanOrEqual(slowest)
  // What its client did not wait for is not relayed.
  expect(outcome.refused - outcome.relayed).toBe(0)
})
