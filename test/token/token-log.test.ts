import { expect, it } from 'vitest'
import { LOG_EVENTS } from '../../src/log/log-events.ts'
import { createLogThrottle } from '../../src/log/log-throttle.ts'
import type { Log } from '../../src/log/logger.ts'
import { tokenLog } from '../../src/token/token-log.ts'
import type { TokenEvent } from '../../src/token/token.ts'
import { NOW, failed, granted, tokenOf } from '../admin/token.ts'
import { PLACES } from '../support/failure.ts'

const rejected: TokenEvent = { type: 'token-rejected', at: NOW, generation: 1, status: 401 }
const token = tokenOf({ generation: 4 })
const adopted: TokenEvent = { type: 'adopted', at: NOW, token }

/** The same event is repeated every half minute. */
it.each<readonly [string, TokenEvent]>([
  ['info logged-in', granted()],
  ['info logged-in same token', granted({ sameToken: true })],
  // A finding reports failures.
  ['debug token-request-failed', failed()],
  ['info renewed', granted({ operation: 'refresh', failuresBefore: 1 })],
  ['info token-adopted', adopted],
  ['warn token-rejected 1, debug token-rejected 0', rejected],
])('logs %s', (expected, event) => {
  const lines: string[] = []
  let now = 0
  const log: Log = (name, { count, sameToken } = {}, level = LOG_EVENTS[name].level) => {
    lines.push([level, name, sameToken && 'same token', count].join(' ').replace('  ', ' ').trim())
  }
  const throttle = createLogThrottle(() => now)
  const observe = tokenLog(log, throttle, PLACES)

  const wanted = expected.split(', ')
  for (; lines.length < wanted.length; now += 30_000) observe(event)
  expect(lines).toEqual(wanted)
})
