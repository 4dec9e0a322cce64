import { expect, test } from 'vitest'
import { createNews } from '../../src/log/news.ts'

function start() {
  let now = 0
  const news = createNews(() => now)
  return { news, pass: (ms: number) => void (now += ms) }
}

test('a line is a repetition for a minute, and the next line has the count', () => {
  const { news, pass } = start()
  expect([news('a'), news('a'), news('a')]).toEqual([1, 0, 0])
  pass(59_999)
  expect(news('a')).toBe(0)
  pass(1)
  expect([news('a'), news('a')]).toEqual([4, 0])
})

test('keys and contents are distinguished, and alternating contents are news once per minute each', () => {
  const { news, pass } = start()
  const [timeout, reset] = ['timeout', 'reset']
  expect([news('a', timeout), news('b', timeout), news('a', reset)]).toEqual([1, 1, 1])
  expect([news('a', timeout), news('a', reset), news('a', timeout)]).toEqual([0, 0, 0])
  pass(60_000)
  expect([news('a', timeout), news('a', reset)]).toEqual([3, 2])
})

test('after its end, a key is news again, with all of its contents', () => {
  const { news } = start()
  news('a', 'x')
  news('a', 'y')
  news('b')
  news.over('a')
  expect([news('a', 'x'), news('a', 'y'), news('b')]).toEqual([1, 1, 0])
})
