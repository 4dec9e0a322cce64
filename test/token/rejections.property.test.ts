import {
  array,
  assert,
  boolean,
  constant,
  constantFrom,
  integer,
  oneof,
  property,
  record,
} from 'fast-check'
import { expect, it } from 'vitest'
import { isCurable } from '../../src/token/state.ts'
import { grant, live } from './support.ts'

const SERVED = ['/a', '/b'] as const
const FORBIDDEN = ['/x', '/y', '/z'] as const
const PATHS = [...SERVED, ...FORBIDDEN]

/** `refused`: iSales refuses it, whatever its path and token. */
const calls = record({
  kind: constant('call' as const),
  path: constantFrom(...PATHS),
  refused: boolean(),
})
const times = record({ kind: constant('time' as const), ms: integer({ min: 1, max: 20_000 }) })
/** Somebody ends the token, after it has served. */
const revocations = constant({ kind: 'revocation' as const })

/** An iSales whose login works, and a proxy that sends a rejected call again. */
function openIsales() {
  const life = live()
  let conflicts = 0
  let requests = 0
  let revoked = 0
  let failed = 0
  const generation = (): number => life.state().token?.generation ?? 0
  const isGood = (path: string, refused: boolean): boolean =>
    !refused && SERVED.some((served) => served === path)

  const logIn = (): void => {
    if (life.next().at > life.now()) return
    requests += 1
    life.login(grant({ token: `t${requests}`, lives: 86_400 }))
  }
  /** True when iSales accepted the call. */
  const send = (path: string, refused: boolean, again: boolean): boolean => {
    // No two calls are sent at the same instant.
    life.after(1)
    const accepted = generation() > revoked && isGood(path, refused)
    if (accepted) life.accepted(generation(), path)
    else life.rejected(generation(), path, again)
    if (life.events().some(({ type }) => type === 'conflict')) conflicts += 1
    return accepted
  }
  /** True when the client gets a success in the end. */
  const forward = (path: string, refused: boolean): boolean => {
    const before = generation()
    if (send(path, refused, false)) return true
    if (!isCurable(life.state(), before, life.now())) return false
    // While a call that iSales refuses waits, others are accepted.
    if (isGood(path, refused)) life.after(Math.min(life.wait(), 1000))
    logIn()
    return generation() > before && send(path, refused, true)
  }
  logIn()
  return {
    conflicts: () => conflicts,
    requests: () => requests,
    /** Calls that iSales would have accepted with a good token, and that failed. */
    failed: () => failed,
    pass: (ms: number) => void life.after(ms),
    revoke() {
      send(SERVED[0], false, false)
      revoked = generation()
    },
    call(path: string, refused = false) {
      if (!forward(path, refused) && isGood(path, refused)) failed += 1
    },
    /** Others call all the time. */
    callOthers() {
      for (const path of SERVED) this.call(path)
    },
  }
}

const lengths = { minLength: 20, maxLength: 300 }

it('calls that are always refused are no conflict, and cost few tokens while others are accepted', () => {
  assert(
    property(array(oneof(calls, times), lengths), (history) => {
      const isales = openIsales()
      let passed = 0
      for (const happening of history) {
        if (happening.kind === 'call') isales.call(happening.path, happening.refused)
        else {
          isales.pass(happening.ms)
          passed += happening.ms
        }
        isales.callOthers()
      }
      expect(isales.failed()).toBe(0)
      expect(isales.conflicts()).toBe(0)
      // One for each path, once in 10 min.
      const most = PATHS.length * (1 + passed / 600_000)
      expect(isales.requests() - 1).toBeLessThanOrEqual(most)
    }),
    { numRuns: 300 },
  )
})

it('beside such calls a token that somebody ends is replaced, and no other call fails', () => {
  const weighed = oneof(
    { weight: 8, arbitrary: calls },
    { weight: 2, arbitrary: times },
    { weight: 1, arbitrary: revocations },
  )
  assert(
    property(array(weighed, lengths), (history) => {
      const isales = openIsales()
      for (const happening of history) {
        if (happening.kind === 'revocation') {
          // Three a minute are a conflict.
          isales.pass(60_000)
          isales.revoke()
          continue
        }
        if (happening.kind === 'call') isales.call(happening.path, happening.refused)
        else isales.pass(happening.ms)
        isales.callOthers()
      }
      expect(isales.failed()).toBe(0)
      expect(isales.conflicts()).toBe(0)
    }),
    { numRuns: 300 },
  )
})
