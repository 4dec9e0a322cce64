// Random histories of processes, operators, kills and passwords: one process in memory, or three with a store. The simulation has
// the same with files.
// `ACCOUNT_RUNS=3000 npx vitest run test/token/account.property.test.ts`: 3,000 in memory, half as many in the store.
import { array, assert, asyncProperty, boolean, constantFrom } from 'fast-check'
import { integer, oneof, option, record } from 'fast-check'
import { expect, it } from 'vitest'
import type { AuthFailure } from '../../src/token/isales-client.ts'
import { createRegister, type Register } from '../../src/token/register.ts'
import { createTokenRequests } from '../../src/token/request-token.ts'
import { createToken, type PlannedRequest, type Token } from '../../src/token/token.ts'
import { authFailure } from '../support/failure.ts'
import { manualClock } from '../support/manual-clock.ts'
import { openMemoryStore } from './memory-store.ts'
import { credentialsOf, DOWN, grant, REFUSED, refreshed, RULES, unknown } from './support.ts'

const MINUTE = 60_000
const RUNS = Number(process.env['ACCOUNT_RUNS'] ?? 200)
/** Responses to a wrong password. `nothing` only if the credentials have never been good. */
const ANSWERS: Readonly<Record<string, AuthFailure>> = {
  403: REFUSED,
  result: authFailure('rejected', 'result', { status: 200 }),
  500: authFailure('ambiguous', 'business', { status: 500 }),
  page: authFailure('unknown', 'login-page', { status: 403 }),
  shape: unknown(200),
  down: DOWN,
  // A 403 whose body breaks off or stalls.
  cut: authFailure('unknown', 'connection-lost', { status: 403 }),
  stalled: authFailure('unknown', 'timeout', { status: 403 }),
  nothing: authFailure('unknown', 'timeout'),
}

const act = record({
  /** Seconds until the act. */
  wait: constantFrom(0, 0.1, 1, 3, 5, 10, 30, 150, 300, 780),
  process: integer({ min: 0, max: 2 }),
  what: oneof(
    { weight: 12, arbitrary: constantFrom('login') },
    { weight: 4, arbitrary: constantFrom('forced', 'refresh') },
    { weight: 2, arbitrary: constantFrom('restart', 'password') },
  ),
  /** Password that the process uses, or that iSales gets. */
  password: constantFrom('p', 'p', 'p', 'p', 'p', 'q'),
  /** Default: the history's usual answer. */
  answer: option(constantFrom(...Object.keys(ANSWERS)), { nil: undefined }),
  /** Milliseconds until iSales answers. */
  takes: integer({ min: 0, max: 6000 }),
  /** The process is killed before the answer. */
  isKilled: constantFrom(false, false, false, false, true),
})
const histories = record({
  /** The first password was right, and was changed at iSales. */
  wasGood: boolean(),
  usual: constantFrom(...Object.keys(ANSWERS)),
  acts: array(act, { minLength: 10, maxLength: 40 }),
})
type Act = ReturnType<(typeof act)['generate']>['value']
type History = ReturnType<(typeof histories)['generate']>['value']

/** Returns, for each password, the logins with it while it was wrong, since its last grant. */
async function play({ wasGood: isGoodFirst, usual, acts }: History, count: number) {
  const clock = manualClock(1_000_000)
  const openShare = openMemoryStore(clock)
  const inMemory = createRegister(clock)
  const register = (): Register =>
    count === 1 ? inMemory : createRegister(clock, openShare().home)
  let right = 'p'
  const wasGood = new Set<string>()
  const wrong: Record<string, number[]> = { p: [], q: [] }

  const start = () => {
    let isKilled = false
    let answer = usual
    let takes = 0
    const end = async <T>(result: T): Promise<T> => {
      const isOver = isKilled
      await clock.sleep(takes)
      return isOver ? new Promise<never>(() => undefined) : result
    }
    const granted = (): Token => grant({ token: `t${clock.now()}`, sentAt: clock.now() })
    const requests = createTokenRequests({
      register: register(),
      rules: RULES,
      clock,
      random: () => 0.5,
      client: {
        login({ password }) {
          const text = password.reveal()
          const isUnclear = answer === 'nothing' && wasGood.has(text)
          if (right !== text) {
            // iSales did not check it.
            if (answer !== 'down') wrong[text]?.push(clock.now())
            return end(ANSWERS[isUnclear ? '500' : answer] ?? REFUSED)
          }
          wasGood.add(text)
          wrong[text] = []
          return end(granted())
        },
        refresh: () => end(answer === 'down' ? granted() : (ANSWERS[answer] ?? REFUSED)),
      },
    })
    let isBusy = false
    let held: Token | undefined
    return {
      ask({ what, password, ...given }: Act): void {
        if (isBusy) return
        isBusy = true
        ;({ answer = usual, takes, isKilled } = given)
        const planned: PlannedRequest =
          what === 'refresh'
            ? { operation: what, current: refreshed(held ?? granted()) }
            : { operation: 'login', current: held && createToken(held, RULES, 0) }
        const asked = {
          ...planned,
          credentials: credentialsOf(password),
          signal: new AbortController().signal,
          // iSales rejects the current token.
          loginDue: false,
          rejectedAt: clock.now() - 5000,
          forced: what === 'forced',
          failures: 0,
        } as const
        void requests.requestToken(asked).then((result) => {
          if ('token' in result) held = result.token
          isBusy = false
        })
      },
    }
  }
  const processes = Array.from({ length: count }, start)

  const first = { what: 'login', password: 'p', answer: usual, isKilled: false } as const
  if (isGoodFirst) processes[0]?.ask({ ...first, wait: 0, process: 0, takes: 0 })
  await clock.advance(MINUTE)
  if (isGoodFirst) right = 'another'
  for (const each of acts) {
    await clock.advance(each.wait * 1000)
    if (each.what === 'password') right = each.password
    else {
      const nth = each.process % processes.length
      if (each.what !== 'restart') processes[nth]?.ask(each)
      if (each.what === 'restart' || each.isKilled) processes[nth] = start()
    }
    await clock.advance(0)
  }
  return wrong
}

it.each([
  [1, RUNS],
  [3, RUNS / 2],
])(
  'no history makes a fifth login with one wrong password in 15 min, with processes: %i',
  async (count, runs) => {
    const property = asyncProperty(histories, async (history) => {
      for (const times of Object.values(await play(history, count)))
        for (const at of times)
          expect(times.filter((one) => at <= one && one < at + 15 * MINUTE).length).toBeLessThan(5)
    })
    await assert(property, { numRuns: Math.ceil(runs) })
  },
  3_600_000,
)
