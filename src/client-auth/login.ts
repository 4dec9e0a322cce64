import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { delay, SECOND, type Clock } from '../clock.ts'
import { isLoopback, type Config } from '../config/index.ts'
import type { JsonObject } from '../json.ts'
import type { Tickets } from './tickets.ts'

type LoginConfig = Pick<Config, 'obsUser' | 'obsPassword' | 'listen'>

/** Status of a response to CTI-OBS, with a pair of tickets if it is 200. */
export interface Answer {
  readonly status: 200 | 400 | 401 | 403 | 405 | 429
  readonly tickets?: ReturnType<Tickets['issue']>
}

/**
 * Answers login and refresh of CTI-OBS. Requests never reach iSales, because its response contains the real token. Without
 * `OBS_USER`, every login succeeds.
 */
export function createLogin(config: LoginConfig, tickets: Tickets, throttle: Throttle) {
  const { obsUser, obsPassword } = config
  const isLocal = isLoopback(config.listen.host)
  // Comparing hashes with a random key takes a time that reveals neither a value nor its length.
  const key = randomBytes(32)
  const digest = (user: string, password: string): Buffer =>
    createHmac('sha256', key)
      .update(JSON.stringify([user, password]))
      .digest()
  // No login succeeds unless both are set; config/rules.ts rejects one without the other.
  const expected = obsPassword ? digest(obsUser ?? '', obsPassword.reveal()) : randomBytes(32)

  return {
    /** @param body undefined if it is not a short object. */
    async logIn(address = '', { user, passwd }: JsonObject = {}): Promise<Answer> {
      if (typeof user !== 'string' || typeof passwd !== 'string') return { status: 400 }
      if (obsUser === undefined) return { status: 200, tickets: tickets.issue() }
      // Refused before the comparison, so that a 429 reveals nothing about the password. On loopback, where all clients share
      // an address, every password is compared, so that a neighbor's guesses refuse no right one.
      if (!isLocal && !throttle.open(address)) return { status: 429 }
      if (timingSafeEqual(digest(user, passwd), expected))
        return { status: 200, tickets: tickets.issue() }
      if (isLocal) return { status: (await throttle.wait()) ? 403 : 429 }
      throttle.spend(address)
      return { status: 403 }
    },

    refresh(ticket: string): Answer {
      // If every login succeeds, tickets of an earlier process must also be renewed.
      const pair = obsUser === undefined ? tickets.issue() : tickets.renew(ticket)
      return pair === undefined ? { status: 403 } : { status: 200, tickets: pair }
    },
  }
}

/** Wrong passwords per second and address. */
const RATE = 5
/** Maximum number of addresses to remember. */
const MAX_PEERS = 10_000
/** Maximum number of wrong passwords that wait for their response. */
const MAX_WAITING = 64

type Throttle = ReturnType<typeof createThrottle>

/**
 * Limits password guessing: every address may send 5 wrong passwords per second, independent of other addresses. A
 * bucket is the time at which it is full again; its capacity is one second's worth of attempts.
 */
export function createThrottle(clock: Clock) {
  const buckets = new LRUCache<string, number>({ max: MAX_PEERS })
  const bucketOf = (address: string): number => Math.max(buckets.get(address) ?? 0, clock.now())
  let waiting = 0
  return {
    /** Returns true if a password from this address may be compared. */
    open: (address: string): boolean => bucketOf(address) - clock.now() <= SECOND - SECOND / RATE,
    /** Records a wrong password from this address. */
    spend(address: string): void {
      buckets.set(address, bucketOf(address) + SECOND / RATE)
    },
    /** Waits for a second; returns false immediately if 64 wait. */
    async wait(): Promise<boolean> {
      if (waiting >= MAX_WAITING) return false
      waiting += 1
      await delay(clock, SECOND)
      waiting -= 1
      return true
    },
  }
}
