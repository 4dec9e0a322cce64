import { expect, it } from 'vitest'
import { LOG_EVENTS } from '../../src/log/log-events.ts'
import { createNews } from '../../src/log/news.ts'
import type { Log } from '../../src/log/logger.ts'
import { tokenLog } from '../../src/token/token-log.ts'
import type { TokenEvent } from '../../src/token/token.ts'
import { NOW, failed, granted, tokenOf } from '../admin/token.ts'
import { authFailure, PLACES } from '../support/failure.ts'

it('says that iSales granted the current token again', () => {
  const lines: unknown[] = []
  const log: Log = (event, fields) => void lines.push([event, fields?.sameToken])
  const observe = tokenLog(
    log,
    createNews(() => 0),
    PLACES,
  )
  for (const sameToken of [false, true]) observe(granted({ sameToken }))
  expect(lines).toEqual([
    ['logged-in', undefined],
    ['logged-in', true],
  ])
})

/** Each event comes half a minute after the one before. */
function seenOf(events: readonly TokenEvent[]): readonly string[] {
  const seen: string[] = []
  let now = 0
  const log: Log = (event, { count } = {}, level = LOG_EVENTS[event].level) => {
    seen.push([level, event, count].join(' ').trim())
  }
  const observe = tokenLog(
    log,
    createNews(() => now),
    PLACES,
  )
  for (const event of events) {
    observe(event)
    now += 30_000
  }
  return seen
}

const rejectedAs = (
  generation: number,
  type: 'token-rejected' | 'rejection-relayed' = 'token-rejected',
): TokenEvent => ({ type, at: NOW, generation, status: 401 })

const adopted: TokenEvent = {
  type: 'adopted',
  at: NOW,
  token: tokenOf({ generation: 4 }),
  failuresBefore: 0,
}

it.each<readonly [string, readonly TokenEvent[], readonly string[]]>([
  [
    'each token is a line, and failures between are lines at DEBUG: a finding says them',
    [
      granted(),
      failed({ failure: authFailure('refused', 'password', { status: 403 }) }),
      granted({ operation: 'refresh', failuresBefore: 1 }),
      adopted,
    ],
    ['info logged-in', 'debug token-request-failed', 'info renewed', 'info token-adopted'],
  ],
  [
    'a rejected token is news once a minute, and what is relayed is news of its own',
    [rejectedAs(1), rejectedAs(2), rejectedAs(2, 'rejection-relayed'), rejectedAs(3)],
    [
      'warn token-rejected 1',
      'debug token-rejected 0',
      'warn rejection-relayed 1',
      'warn token-rejected 2',
    ],
  ],
])('%s', (_, events, lines) => {
  expect(seenOf(events)).toEqual(lines)
})
