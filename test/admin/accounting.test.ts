import { array, assert, constantFrom, nat, oneof, property, tuple } from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { createAccounting, judgeCalls, LOST, noCounts, addUp } from '../../src/admin/accounting.ts'
import {
  classifyRequest,
  REQUEST_CLASSES,
  type Outcome,
  type RequestClass,
} from '../../src/request-summary.ts'
import { summaries } from '../support/summaries.ts'

const [SECOND, MINUTE, HOUR] = [1000, 60_000, 3_600_000]

/** By outcome and cause; without a cause the first of the outcome. */
function of(name: string): RequestClass {
  const [outcome, cause] = name.split(' ')
  const found = REQUEST_CLASSES.find(
    (each) => each.outcome === outcome && (cause === undefined || each.cause === cause),
  )
  if (found === undefined) throw new Error(name)
  return found
}

function start() {
  const accounting = createAccounting()
  let now = HOUR
  return {
    accounting,
    pass: (ms: number) => void (now += ms),
    count: (name: string, times = 1, apart = 0): void => {
      for (let n = 0; n < times; n += 1) {
        now += apart
        accounting.count(of(name), now)
      }
    },
    view: () => accounting.view(now),
    hour: () => accounting.hour(now),
    now: () => now,
    judged: () => judgeCalls(accounting.view(now), now),
    /** `failing failed no-route 3/5 within 5 s`. */
    said: () =>
      judgeCalls(accounting.view(now), now).map(
        ({ state, outcome, cause, count, total, span, endedAt }) =>
          [
            `${state} ${outcome} ${cause?.cause ?? '-'} ${count}/${total} in ${span / SECOND}`,
            ...(endedAt === undefined ? [] : [`ended ${(now - endedAt) / SECOND} ago`]),
          ].join(', '),
      ),
  }
}
type Started = ReturnType<typeof start>

describe('calls are judged by the latest and by the window', () => {
  it.each<readonly [string, (it: Started) => void, readonly string[]]>([
    ['nothing without a call', () => undefined, []],
    ['nothing for a single lost call', ({ count }) => count('failed no-route'), []],
    [
      'failing for two lost calls of two',
      ({ count }) => count('failed no-route', 2, SECOND),
      ['failing failed no-route 2/2 in 5'],
    ],
    [
      'degraded for half of the latest calls',
      ({ count }) => {
        count('answered', 10, 200)
        count('failed no-route', 10, 200)
      },
      ['degraded failed no-route 10/20 in 5'],
    ],
    [
      'failing for one more than half, whatever class they are of, and the class that lost most is named',
      ({ count }) => {
        count('answered', 10, 100)
        count('abandoned', 5, 100)
        count('failed lost', 2, 100)
        count('failed no-route', 4, 100)
      },
      ['failing failed no-route 11/21 in 5'],
    ],
    [
      'degraded from 5 % of the latest calls, although they are fewer of the window',
      ({ count }) => {
        count('answered', 597, 100)
        count('rejected call-forbidden', 3, 100)
      },
      ['degraded rejected call-forbidden 3/48 in 5'],
    ],
    [
      'degraded from 5 % of the window, although the latest calls are answered',
      ({ count, pass }) => {
        count('failed maintenance', 3, SECOND)
        pass(10 * SECOND)
        count('answered', 40, SECOND)
      },
      ['degraded failed - 3/43 in 60, ended 50 ago'],
    ],
    [
      'nothing below 5 %: one 403 in 1,001 calls',
      ({ count }) => {
        count('answered', 1000, 50)
        count('rejected call-forbidden')
      },
      [],
    ],
    [
      'nothing for slow calls below 5 %, and degraded from it',
      ({ count }) => {
        count('answered', 38, 100)
        count('slow', 2, 100)
      },
      ['degraded slow slow 2/40 in 5'],
    ],
    [
      'nothing while fewer than half of the calls are declined',
      ({ count }) => {
        count('answered', 11, 100)
        count('declined', 10, 100)
      },
      [],
    ],
    [
      'degraded for half of them',
      ({ count }) => {
        count('answered', 10, 100)
        count('declined call-result', 10, 100)
      },
      ['degraded declined call-result 10/20 in 5'],
    ],
  ])('%s', (_, happen, expected) => {
    const scene = start()
    happen(scene)
    expect(scene.said()).toEqual(expected)
  })
})

describe('one call a minute is judged by its last calls', () => {
  it.each<readonly [string, readonly string[], readonly string[]]>([
    ['one lost call says nothing', ['answered', 'answered', 'failed lost'], []],
    [
      'two of three that are lost, the newest one as well, are failing',
      ['answered', 'failed lost', 'failed lost'],
      ['failing failed lost 2/3 in 120'],
    ],
    [
      'after an answered call it is degraded, and the cause is still named',
      ['failed lost', 'failed lost', 'answered'],
      ['degraded failed lost 2/3 in 120'],
    ],
    [
      'after three it is over',
      ['failed lost', 'failed lost', 'answered', 'answered', 'answered'],
      ['degraded failed - 2/5 in 240, ended 180 ago'],
    ],
    [
      'after twenty it is forgotten',
      ['failed lost', 'failed lost', ...Array.from({ length: 20 }, () => 'answered')],
      [],
    ],
  ])('%s', (_, names, expected) => {
    const { count, said, pass } = start()
    for (const [index, name] of names.entries()) {
      if (index > 0) pass(MINUTE)
      count(name)
    }
    expect(said()).toEqual(expected)
  })

  it('a night without calls is not judged', () => {
    const { count, said, pass } = start()
    count('failed lost', 3, SECOND)
    pass(9 * MINUTE)
    expect(said()).toEqual(['failing failed lost 3/3 in 542'])
    pass(MINUTE + 1)
    expect(said()).toEqual(['degraded failed - 3/3 in 602.001, ended 600.001 ago'])
    pass(20 * MINUTE)
    expect(said()).toEqual([])
  })
})

describe("a stranger's POSTs", () => {
  it('next to a CTI-OBS that works are never failing, and alone they are', () => {
    const { count, said, pass } = start()
    count('refused other-host', 5, SECOND)
    expect(said()).toEqual(['failing refused other-host 5/5 in 5'])
    count('answered')
    pass(59 * MINUTE)
    count('refused other-host', 5, SECOND)
    expect(said()).toEqual(['degraded refused other-host 5/5 in 5'])
    pass(MINUTE)
    count('refused other-host', 5, SECOND)
    expect(said()).toEqual(['failing refused other-host 5/5 in 5'])
  })
})

describe('no client gets through', () => {
  it.each<readonly [string, (it: Started) => void, readonly string[]]>([
    [
      'when TLS is spoken to the HTTP port',
      ({ count }) => count('stray tls-to-http', 2, SECOND),
      ['degraded stray tls-to-http 2/2 in 60'],
    ],
    [
      'when our certificate is not trusted, once a minute',
      ({ count }) => count('handshake not-trusted', 3, MINUTE - SECOND),
      ['degraded handshake not-trusted 2/2 in 60'],
    ],
    ['not for one', ({ count }) => count('handshake plain-http'), []],
    ['not for scanners', ({ count }) => count('handshake half-sent', 50, SECOND), []],
    ['not for requests of anybody', ({ count }) => count('stray other-path', 50, SECOND), []],
    [
      'not while calls are answered',
      ({ count }) => {
        count('answered')
        count('handshake plain-http', 50, SECOND)
      },
      [],
    ],
    [
      'not a minute after the last one',
      ({ count, pass }) => {
        count('handshake plain-http', 50, SECOND)
        pass(MINUTE + 1)
      },
      [],
    ],
  ])('%s', (_, happen, expected) => {
    const scene = start()
    happen(scene)
    expect(scene.said()).toEqual(expected)
  })
})

it('an outage is judged as the example in src/admin/accounting.ts says', () => {
  const { count, said, pass } = start()
  const seen: Record<number, readonly string[]> = {}
  for (let second = -60; second <= 69; second += 1) {
    count(second >= 0 && second <= 11 ? 'failed no-route' : 'answered')
    seen[second] = said()
    pass(SECOND)
  }
  expect(seen).toMatchObject({
    0: [],
    1: ['degraded failed no-route 2/5 in 5'],
    2: ['failing failed no-route 3/5 in 5'],
    11: ['failing failed no-route 5/5 in 5'],
    13: ['failing failed no-route 3/5 in 5'],
    14: ['degraded failed no-route 2/5 in 5'],
    16: ['degraded failed - 12/60 in 60, ended 5 ago'],
    68: ['degraded failed - 3/60 in 60, ended 57 ago'],
    69: [],
  })
})

it('names a new cause within 5 s, however long the former one has lasted', () => {
  const { count, said } = start()
  count('failed no-route', 1000, 500)
  count('failed expired', 6, 500)
  expect(said()).toEqual(['failing failed expired 10/10 in 5'])
})

it('requests are forgotten after a minute, and kept by minute for an hour', () => {
  const { count, hour, pass, view } = start()
  const totals = () => hour().map(({ counts }) => addUp(counts))
  count('answered', 2)
  count('stray browser')
  pass(59 * SECOND)
  expect(view().minute).toEqual({ ...noCounts(), answered: 2, stray: 1 })
  pass(SECOND)
  expect(view().minute).toEqual(noCounts())
  count('failed lost', 3)
  expect(hour()).toHaveLength(60)
  expect(totals().slice(-2)).toEqual([2, 3])
  pass(2 * MINUTE)
  expect(totals().slice(-5)).toEqual([0, 2, 3, 0, 0])
  pass(HOUR)
  expect(totals().every((total) => total === 0)).toBe(true)
})

/** Up to 60 requests, from 0 to 20 s apart. */
const happenings = array(tuple(summaries, oneof(nat(300), nat(20_000))), {
  maxLength: 60,
})
type Happening = readonly [RequestClass, number]

function playedOf(list: readonly Happening[]) {
  const scene = start()
  for (const [each, apart] of list) {
    scene.pass(apart)
    scene.accounting.count(each, scene.now())
  }
  return scene
}
const isLost = (outcome: Outcome): boolean => LOST.some((each) => each === outcome)
const classified = (list: readonly (readonly [Parameters<typeof classifyRequest>[0], number])[]) =>
  list.map(([summary, apart]) => [classifyRequest(summary), apart] as const)

describe('whatever happens', () => {
  test('two lost calls that are 5 % of the window are a finding, and none is a finding about lost calls', () => {
    assert(
      property(happenings, (list) => {
        const { view, judged } = playedOf(classified(list))
        const { window } = view()
        const findings = judged().filter(({ outcome }) => isLost(outcome))
        const isDue = window.lost >= 2 && window.lost >= 0.05 * window.total
        expect(isDue ? findings.length : 1).toBe(1)
        expect(window.lost === 0 ? findings : []).toEqual([])
      }),
    )
  })

  test('it is failing if none of at least two latest calls was answered, but for a stranger next to calls that work', () => {
    assert(
      property(happenings, (list) => {
        const { view, judged, now } = playedOf(classified(list))
        const { latest, answeredAt } = view()
        const { total, lost, counts } = latest
        const isStranger = counts.refused === lost && now() - answeredAt <= HOUR
        const isDue = total >= 2 && lost === total && !isStranger
        expect(isDue ? judged()[0]?.state : 'failing').toBe('failing')
      }),
    )
  })

  test('strangers change nothing while a call was answered within the minute', () => {
    const stray = constantFrom(
      ...REQUEST_CLASSES.filter(({ outcome }) => outcome === 'stray' || outcome === 'handshake'),
    )
    assert(
      property(happenings, array(tuple(stray, nat(60))), (list, strangers) => {
        const calls = classified(list).filter(
          ([each]) => !['stray', 'handshake'].includes(each.outcome),
        )
        const without = playedOf(calls)
        if (without.now() - without.view().answeredAt >= MINUTE) return
        const mixed: Happening[] = [...calls]
        for (const [each, place] of strangers)
          mixed.splice(place % (mixed.length + 1), 0, [each, 0])
        expect(playedOf(mixed).judged()).toEqual(without.judged())
      }),
    )
  })
})

/** A generator of its own, so that each row is the same in each run. */
function generator(seed: number) {
  let state = seed
  return () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647
}

/** From the end of the call that fulfills the rule, and from the first lost call if all are lost, by a count of every call. */
test.each([1, 20, 200].flatMap((rate) => [10, 50, 70, 100].map((share) => [rate, share] as const)))(
  'at %i calls per second, %i %% of them lost, the state follows within 5 s',
  (rate, share) => {
    const { accounting, now, pass, judged } = start()
    const random = generator(4711 + rate + share)
    const calls: { at: number; lost: boolean }[] = []
    const step = SECOND / rate
    const ruleOf = (ms: number) => {
      const recent = calls.filter(({ at }) => at > now() - ms)
      return { total: recent.length, lost: recent.filter(({ lost }) => lost).length }
    }
    let [fulfilled, followed] = [Infinity, Infinity]
    for (let n = 0; n < 150 * rate && followed === Infinity; n += 1) {
      pass(step)
      const lost = n >= 70 * rate && random() * 100 < share
      calls.push({ at: now(), lost })
      accounting.count(of(lost ? 'failed no-route' : 'answered'), now())
      if (n < 70 * rate) continue
      const [latest, window] = [ruleOf(5 * SECOND), ruleOf(MINUTE)]
      const isFailing = latest.lost >= 2 && latest.lost > latest.total / 2
      const isDegraded = [latest, window].some((all) => all.lost >= Math.max(2, 0.05 * all.total))
      const isDue = share === 100 ? lost : share > 50 ? isFailing : isDegraded
      if (isDue) fulfilled = Math.min(fulfilled, now())
      const state = judged()[0]?.state
      if (state === 'failing' || (share <= 50 && state === 'degraded')) followed = now()
    }
    // A little earlier, since the seconds of the latest calls begin with a whole one.
    expect(followed).toBeLessThan(Infinity)
    expect(followed - Math.min(fulfilled, followed)).toBeLessThanOrEqual(5 * SECOND)
  },
)

test('the accounting of a request and a look at all of it take little time', () => {
  const accounting = createAccounting()
  const mix = ['answered', 'answered', 'answered', 'failed no-route', 'refused other-host'].map(of)
  const spend = (times: number, run: (n: number) => void): number => {
    const from = process.cpuUsage()
    for (let n = 0; n < times; n += 1) run(n)
    const { user, system } = process.cpuUsage(from)
    return ((user + system) * 1000) / times
  }
  const count = (n: number): void => accounting.count(mix[n % 5] ?? of('answered'), n / 5)
  spend(300_000, count)
  // Bars with room for a machine that does other things: docs/dev/benchmarks.md has figures.
  expect(spend(300_000, (n) => count(n + 300_000))).toBeLessThan(1500)
  expect(spend(500, () => judgeCalls(accounting.view(120_000), 120_000))).toBeLessThan(500_000)
})
