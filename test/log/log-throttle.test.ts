import { expect, test } from 'vitest'
import { createLogThrottle } from '../../src/log/log-throttle.ts'

function start() {
  let now = 0
  const logThrottle = createLogThrottle(() => now)
  return { logThrottle, pass: (ms: number) => void (now += ms) }
}

test('a line is a repetition for a minute, and the next line has the count', () => {
  const { logThrottle, pass } = start()
  expect([logThrottle('a'), logThrottle('a'), logThrottle('a')]).toEqual([1, 0, 0])
  pass(59_999)
  expect(logThrottle('a')).toBe(0)
  pass(1)
  expect([logThrottle('a'), logThrottle('a')]).toEqual([4, 0])
})

test('keys and contents are distinguished, and alternating contents are news once per minute each', () => {
  const { logThrottle, pass } = start()
  const [timeout, reset] = ['timeout', 'reset']
  const counts = [logThrottle('a', timeout), logThrottle('b', timeout), logThrottle('a', reset)]
  counts.push(logThrottle('a', timeout), logThrottle('a', reset), logThrottle('a', timeout))
  expect(counts).toEqual([1, 1, 1, 0, 0, 0])
  pass(60_000)
  expect([logThrottle('a', timeout), logThrottle('a', reset)]).toEqual([3, 2])
})

test('after its end, a key is news again, with all of its contents', () => {
  const { logThrottle } = start()
  logThrottle('a', 'x')
  logThrottle('a', 'y')
  logThrottle('b')
  logThrottle.over('a')
  expect([logThrottle('a', 'x'), logThrottle('a', 'y'), logThrottle('b')]).toEqual([1, 1, 0])
})
