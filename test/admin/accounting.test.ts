import { array, assert, constantFrom, nat, oneof, property, tuple } from 'fast-check'
import { expect, it } from 'vitest'
import { addUp, checkCalls, createAccounting } from '../../src/admin/accounting.ts'
import { PROBE, REQUEST_CLASSES, type RequestClass } from '../../src/request-summary.ts'

const [SECOND, HOUR] = [1000, 3_600_000]

/** Returns a class by outcome and cause; without a cause, the first class of the outcome. */
function classOf(name: string): RequestClass {
  if (name === 'probe') return PROBE
  const found = REQUEST_CLASSES.find(({ outcome, cause }) =>
    [outcome, `${outcome} ${cause}`].includes(name),
  )
  if (found === undefined) throw new Error(name)
  return found
}

function start() {
  const accounting = createAccounting()
  let now = HOUR
  const count = (of: RequestClass, after = 0): void => accounting.count(of, (now += after))
  const found = () => checkCalls(accounting.view(now), now)
  return {
    count,
    found,
    now: () => now,
    view: () => accounting.view(now),
    hour: () => accounting.hour(now),
    /** `2 lost/1000, 5000 ms`: two requests, 1 s before each of them; then 5 s without a request. */
    play: (script: string): void => {
      for (const [, times, name, after] of script.matchAll(/(\d+) ([a-z -]+)(?:\/(\d+))?/g)) {
        if (name === 'ms') now += Number(times)
        else
          for (let n = 0; n < Number(times); n += 1) count(classOf(name ?? ''), Number(after ?? 0))
      }
    },
    /** `failing failed no-route 3/5 in 5 s`. */
    texts: () =>
      found().map(({ state, outcome, cause, count: part, total, span, endedAt = Infinity }) => {
        const text = `${state} ${outcome} ${cause?.cause ?? '-'} ${part}/${total} in ${span / SECOND} s`
        return endedAt === Infinity ? text : `${text}, ended ${(now - endedAt) / SECOND} s ago`
      }),
  }
}

it.each([
  '=>',
  '1 failed no-route =>',
  '10 answered/200, 10 failed no-route/200 => degraded failed no-route 10/20 in 5 s',
  // More than half, of several classes: each one with a fifth of them is named, the one that lost most first.
  '10 answered/100, 1 rejected, 5 abandoned/100, 2 failed expired/100, 4 failed no-route/100 => failing failed no-route 12/22 in 5 s,failing abandoned gave-up 12/22 in 5 s',
  '40 failed no-route/1000, 10 abandoned/500 => failing abandoned gave-up 10/10 in 5 s,degraded failed no-route 50/50 in 60 s, ended 5 s ago',
  // A single call of another class neither names it nor keeps an outage from being over.
  '50 failed no-route/100, 5010 ms, 99 answered/10, 1 abandoned => degraded failed no-route 51/150 in 60 s, ended 6 s ago',
  // 5 % of the latest calls, or of the window.
  '597 answered/100, 3 rejected/100 => degraded rejected call-rejected 3/48 in 5 s',
  '3 failed maintenance/1000, 10000 ms, 40 answered/1000 => degraded failed maintenance 3/43 in 60 s, ended 50 s ago',
  '38 answered/100, 2 slow/100 => degraded slow slow 2/40 in 5 s',
  '10 answered/100, 10 declined/100 => degraded declined call-declined 10/20 in 5 s',
  // Useless is lost: nearly every call is declined, rejected or refused.
  '4 answered/100, 16 declined not-json/100 => failing declined not-json 16/20 in 5 s',
  '5 answered/100, 16 declined not-json/100 => degraded declined not-json 16/21 in 5 s',
  '10 declined/100, 9 rejected/100 => failing rejected call-rejected 9/19 in 5 s,failing declined call-declined 10/19 in 5 s',
  '2 declined/60000, 1 answered/60000 => degraded declined call-declined 2/3 in 120 s',
  // A new cause is named, however long the previous one lasted.
  '1000 failed no-route/500, 6 failed expired/500 => failing failed expired 10/10 in 5 s',
  // With one call per minute, the last calls count; the newest one must be lost.
  '2 failed no-route/100, 1 answered/100 => failing failed no-route 2/3 in 5 s',
  '1 answered, 2 failed no-route/60000 => failing failed no-route 2/3 in 120 s',
  '2 failed no-route/60000, 1 answered/60000 => degraded failed no-route 2/3 in 120 s',
  '2 failed no-route/60000, 3 answered/60000 => degraded failed no-route 2/5 in 240 s, ended 180 s ago',
  // Without calls, the last ones count for 10 minutes.
  '3 failed no-route, 600000 ms => failing failed no-route 3/3 in 600 s',
  '3 failed no-route, 600001 ms =>',
  // Refused calls are not `failing` within an hour after an answered call: a stranger may send them.
  '5 refused other-host/1000 => failing refused other-host 5/5 in 5 s',
  '1 answered, 3595000 ms, 5 refused other-host/1000 => degraded refused other-host 5/5 in 5 s',
  '1 answered, 3600000 ms, 5 refused other-host/1000 => failing refused other-host 5/5 in 5 s',
  // No client gets through.
  '2 stray tls-to-http/1000 => degraded stray tls-to-http 2/2 in 60 s',
  '9 stray other-path, 2 stray browser/1000 => degraded stray browser 2/2 in 60 s',
  '2 handshake plain-http, 60000 ms => degraded handshake plain-http 2/2 in 60 s',
  '1 handshake plain-http, 600001 ms, 1 handshake plain-http =>',
  '1 handshake plain-http, 1 answered, 60001 ms, 1 handshake plain-http =>',
  '50 handshake plain-http/1000, 60001 ms =>',
  // In mid-life, it shows at once.
  '9 answered/100, 6000 ms, 4 stray admin-port/100 =>',
  '9 answered/100, 6000 ms, 5 stray admin-port/100 => degraded stray admin-port 5/5 in 60 s',
  '9 answered/100, 6000 ms, 3 handshake not-trusted, 2 stray no-descriptors => degraded stray no-descriptors 5/5 in 60 s',
  '9 answered/100, 5700 ms, 30 stray admin-port/1 =>',
  '9 answered/100, 6000 ms, 9 handshake half-sent =>',
  '9 answered/100, 6000 ms, 9 stray tls-to-http, 6001 ms =>',
  // A client that leaves after the handshake may be a health check, which comes every 5 s.
  '9 probe/5000 =>',
  '5 probe/4000 => degraded handshake not-trusted 5/5 in 60 s',
  '4 probe/4000 =>',
  // Ten refused calls in a minute without an answer are more than a stranger.
  '9 answered/100, 60000 ms, 9 refused too-large/100 => degraded refused too-large 9/9 in 5 s',
  '9 answered/100, 60000 ms, 10 refused too-large/100 => failing refused too-large 10/10 in 5 s',
])('calls are checked by the latest and by the window: “%s”', (row) => {
  const { play, texts } = start()
  const [script = '', expected = ''] = row.split(/ ?=> ?/)
  play(script)
  expect(texts().join()).toBe(expected)
})

it('two classes that take turns at losing most have both findings all the time', () => {
  const { play, found } = start()
  const seen = Array.from({ length: 60 }, (_, turn) => {
    const [first, second] = turn % 2 === 0 ? [3, 1] : [1, 3]
    play(`${first} failed no-route, ${second} rejected, 20 answered/100`)
    return found().map(({ outcome }) => outcome)
  })
  const named = seen.slice(1).map((names) => names.toSorted().join())
  expect(new Set(named)).toEqual(new Set(['failed,rejected']))
})

it('requests are forgotten after a minute, and kept by minute for an hour', () => {
  const { play, hour, now, view } = start()
  const totals = () => hour().map(({ counts }) => addUp(counts))
  const minute = () => Object.entries(view().minute).filter(([, count]) => count !== 0)
  play('2 answered, 1 stray, 59000 ms')
  expect(Object.fromEntries(minute())).toEqual({ answered: 2, stray: 1 })
  expect([view().total, hour().at(-1)?.at]).toEqual([2, now() - 59_000])
  play('1000 ms')
  expect(minute()).toEqual([])
  play('3 failed no-route')
  expect(totals()).toEqual([...Array.from({ length: 58 }, () => 0), 2, 3])
  play('120000 ms')
  expect(totals().slice(-5)).toEqual([0, 2, 3, 0, 0])
  play('3600000 ms')
  expect(totals().every((total) => total === 0)).toBe(true)
})

const isStray = ({ outcome }: RequestClass) => outcome === 'stray' || outcome === 'handshake'

it('strangers change nothing while a call was answered within 6 s, in every sequence 0 to 20 s apart', () => {
  const played = (sequence: readonly (readonly [RequestClass, number])[]) => {
    const scene = start()
    for (const [of, after] of sequence) scene.count(of, after)
    return scene
  }
  const calls = constantFrom(...REQUEST_CLASSES.filter((each) => !isStray(each)))
  const strangers = constantFrom(...REQUEST_CLASSES.filter(isStray))
  const sequences = array(tuple(calls, oneof(nat(300), nat(20_000))), { maxLength: 60 })
  assert(
    property(sequences, array(tuple(strangers, nat(60))), (sequence, others) => {
      const { now, view, found } = played(sequence)
      if (now() - view().answeredAt >= 6 * SECOND - 250) return
      const mixed = [...sequence]
      for (const [of, place] of others) mixed.splice(place % (mixed.length + 1), 0, [of, 0])
      expect(played(mixed).found()).toEqual(found())
    }),
  )
})
