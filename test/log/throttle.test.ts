import { expect, test } from 'vitest'
import type { LogFields } from '../../src/log/log-events.ts'
import { createThrottledLog } from '../../src/log/throttle.ts'
import { manualClock } from '../support/manual-clock.ts'

function start() {
  const clock = manualClock()
  const lines: LogFields[] = []
  const { log, end } = createThrottledLog(clock, (_, fields = {}) => lines.push(fields))
  return { clock, lines, log, end }
}

test('the first line is written immediately, the rest of the minute as a count with the last fields', async () => {
  const { clock, lines, log } = start()
  for (const requestId of ['a', 'b', 'c']) log('client-refused', 'bad-request', { requestId })
  expect(lines).toEqual([{ reason: 'bad-request', requestId: 'a', count: 1 }])
  await clock.advance(60_000)
  expect(lines.slice(1)).toEqual([{ reason: 'bad-request', requestId: 'c', count: 2 }])
  log('client-refused', 'bad-request', { requestId: 'd' })
  expect(lines).toHaveLength(2)
  await clock.advance(60_000)
  expect(lines[2]).toMatchObject({ requestId: 'd', count: 1 })
})

test('logins and refreshes with one outcome are counted apart', () => {
  const { lines, log } = start()
  for (const operation of ['login', 'refresh']) log('obs-logged-in', 'success', { operation })
  expect(lines).toMatchObject([{ operation: 'login' }, { operation: 'refresh' }])
})

test('what came in a minute that has begun is written at the end', () => {
  const { lines, log, end } = start()
  for (const requestId of ['a', 'b', 'c']) log('client-refused', 'bad-request', { requestId })
  end()
  expect(lines.slice(1)).toEqual([{ reason: 'bad-request', requestId: 'c', count: 2 }])
})

test('each reason has its own minute, and nothing is left when a minute was quiet', async () => {
  const { clock, lines, log } = start()
  log('client-refused', 'bad-request')
  log('client-refused', 'not-allowed')
  expect(lines).toHaveLength(2)
  await clock.advance(60_000)
  expect(lines).toHaveLength(2)
  expect(clock.waiting()).toEqual([])
})
