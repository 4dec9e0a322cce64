import { assert, property } from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { dueAt, outageBudget, sendable } from '../../src/token/state.ts'
import { isGrant, type AuthFailure, type Grant } from '../../src/token/protocol.ts'
import { refreshable } from '../../src/token/token.ts'
import { histories, type Happening } from './arbitraries.ts'
import { ended, grant, live, RULES, START } from './support.ts'

vi.setConfig({ testTimeout: 60_000 })

const DAY = 24 * 3_600_000

/** Runs a history as the source does, and lists each promise that did not hold. */
function broken(history: readonly (readonly [Happening, number])[]): readonly string[] {
  const life = live()
  const found: string[] = []
  const must = (holds: boolean, promise: string): void => {
    if (!holds) found.push(`${promise} (after ${life.now() - START} ms)`)
  }
  /** When logins with the present credentials were refused, since the last grant. */
  let refusedAt: number[] = []

  const beginWhenDue = (): void => {
    const { token } = life.state()
    const due = life.next()
    if (due.at > life.now()) return
    if (due.operation === 'refresh') {
      must(
        token !== undefined && refreshable(token, life.now()),
        'no refresh with an expired token',
      )
    } else {
      const lately = refusedAt.filter((at) => life.now() - at < RULES.loginRejectedPause)
      must(lately.length < RULES.loginRejectedAttempts, 'refused credentials are spared')
      // Instants are fractions of a millisecond: their difference is not exact.
      must(life.now() - (refusedAt.at(-1) ?? -Infinity) > 4999.99, 'a refused login waits 5 s')
    }
    life.begins(due.operation)
  }

  const end = (outcome: Grant | AuthFailure): void => {
    const { request, token } = life.state()
    if (request === undefined) return
    life.does(ended(outcome))
    const { token: newer } = life.state()
    const due = dueAt(life.state())
    const own = !request.outdated
    if (newer !== token && newer !== undefined) {
      refusedAt = []
      must(newer.generation === (token?.generation ?? 0) + 1, 'generations count up')
      must(!own || due >= request.startedAt + 1000, 'at most one token request a second')
      must(
        !own || due <= Math.max(life.now(), newer.usableUntil, request.startedAt + 1000),
        'renewed in time',
      )
    } else {
      const refused = !isGrant(outcome) && outcome.kind === 'refused'
      if (own && refused && request.operation === 'login') refusedAt.push(life.now())
      must(
        own || due <= life.now() + 60_000,
        'changed credentials are tried, after a hold-off at the latest',
      )
    }
  }

  const happen = (happening: Happening): void => {
    const { token, request } = life.state()
    const generation = token?.generation ?? 0
    if (happening.kind === 'time') life.after(happening.ms)
    else if (happening.kind === 'due') {
      if (request === undefined) life.after(Math.max(0, dueAt(life.state()) - life.now()))
    } else if (happening.kind === 'granted') end(grant(happening.grant))
    else if (happening.kind === 'failed') end(happening.failure)
    else if (happening.kind === 'accepted') {
      life.accepted(generation - happening.behind, happening.path)
    } else if (happening.kind === 'rejected') {
      life.rejected(generation - happening.behind, happening.path)
    } else {
      refusedAt = []
      life.does({ type: 'credentials-changed', refused: undefined })
    }
  }

  beginWhenDue()
  for (const [happening, random] of history) {
    life.random(random)
    happen(happening)
    beginWhenDue()
    const { state, now } = life
    const sent = sendable(state(), now())
    must(sent === undefined || now() < sent.usableUntil, 'no expired token is sent')
    must(
      outageBudget(state(), now()) === (sent === undefined ? 0 : sent.usableUntil - now()),
      'the outage budget is right',
    )
    must(
      state().request !== undefined || dueAt(state()) <= now() + DAY,
      'a token request is planned or in flight',
    )
    must(state().rejections.early.length <= 60, 'nothing grows without end')
  }
  return found
}

describe('whatever happens to a token, in whatever order', () => {
  it('no expired token is sent, renewals are planned, and refused credentials are spared', () => {
    assert(
      property(histories, (history) => {
        expect(broken(history)).toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})
