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
  wait: constantFrom(0, 0.1, 1, 3, 5, 10, 30, 150, 300, 780),
  process: integer({ min: 0, max: 2 }),
  what: oneof(
    { weight: 12, arbitrary: constantFrom('login') },
    { weight: 4, arbitrary: constantFrom('forced', 'refresh') },
    { weight: 2, arbitrary: constantFrom('restart', 'password') },
    // The store is stopped, or starts with what it had.
    { weight: 2, arbitrary: constantFrom('store') },
  ),
  /** Password that the process uses, or that iSales gets. */
  password: constantFrom('p', 'p', 'p', 'p', 'p', 'q'),
  /** Default: the history's usual answer. */
  answer: option(constantFrom(...Object.keys(ANSWERS)), { nil: undefined }),
  takes: integer({ min: 0, max: 6000 }),
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

/**
 * Returns, for each password, the logins with it while it was wrong, since its last grant. `alone`: those that a process sent of
 * its own accord while the store was stopped, by process and stop; others then are an operator's.
 */
async function play({ wasGood: isGoodFirst, usual, acts }: History, count: number, stops: boolean) {
  const clock = manualClock(1_000_000)
  const openShare = openMemoryStore(clock)
  const inMemory = createRegister(clock)
  const register = (): Register =>
    count === 1
      ? inMemory
      : createRegister(
          clock,
          openShare(async (swap) => (isStopped ? { reason: 'unreachable' } : swap())).home,
        )
  let isStopped = false
  let [processesStarted, timesStopped] = [0, 0]
  const alone = new Map<string, number[]>()
  let right = 'p'
  const wasGood = new Set<string>()
  const wrong: Record<string, number[]> = { p: [], q: [] }

  const start = () => {
    let isKilled = false
    let isForced = false
    const id = (processesStarted += 1)
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
            const key = `${id} ${timesStopped} ${text}`
            const mine = alone.get(key) ?? []
            if (answer !== 'down' && !isStopped) wrong[text]?.push(clock.now())
            else if (answer !== 'down' && !isForced) alone.set(key, [...mine, clock.now()])
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
        isForced = what === 'forced'
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
    else if (each.what === 'store') {
      isStopped = stops && !isStopped
      timesStopped += isStopped ? 1 : 0
    } else {
      const index = each.process % processes.length
      if (each.what !== 'restart') processes[index]?.ask(each)
      if (each.what === 'restart' || each.isKilled) processes[index] = start()
    }
    await clock.advance(0)
  }
  return { wrong, alone }
}

it.each([
  [1, false, RUNS],
  [3, false, RUNS / 2],
  [3, true, RUNS / 2],
])(
  'no history makes a fifth login with one wrong password in 15 min, nor a second alone, with processes: %i, and a store that stops: %s',
  async (count, stops, runs) => {
    const most = (times: readonly number[]) =>
      times.map((at) => times.filter((one) => at <= one && one < at + 15 * MINUTE).length)
    const property = asyncProperty(histories, async (history) => {
      const { wrong, alone } = await play(history, count, stops)
      for (const number of Object.values(wrong).flatMap(most)) expect(number).toBeLessThan(5)
      for (const number of [...alone.values()].flatMap(most)) expect(number).toBeLessThan(2)
    })
    await assert(property, { numRuns: Math.ceil(runs) })
  },
  3_600_000,
)
