import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../config/secret.ts'

/** The user and password that CTI-OBS is configured with. */
export interface LocalCredentials {
  readonly user: string
  readonly password: Secret
}

/**
 * Answers a comparison whose time tells nothing of either value, their lengths included: both are hashed
 * with a key that nobody knows, and the hashes compared.
 */
export function compareWith(
  expected: LocalCredentials,
): (user: string, password: string) => boolean {
  const key = randomBytes(32)
  const digest = (text: string): Buffer => createHmac('sha256', key).update(text).digest()
  const [user, password] = [digest(expected.user), digest(expected.password.reveal())]
  return (givenUser, givenPassword) => {
    const sameUser = timingSafeEqual(digest(givenUser), user)
    const samePassword = timingSafeEqual(digest(givenPassword), password)
    return sameUser && samePassword
  }
}

/** How many wrong passwords a second are looked at. */
export interface Throttle {
  /** False: not now; nothing is compared. */
  open(): boolean
  /** A wrong one was looked at. */
  spend(): void
}

/** @param now monotonic milliseconds. */
export function createThrottle(perSecond: number, now: () => number): Throttle {
  let left = perSecond
  let seenAt = now()
  return {
    open() {
      const at = now()
      left = Math.min(perSecond, left + ((at - seenAt) * perSecond) / 1000)
      seenAt = at
      return left >= 1
    },
    spend() {
      left -= 1
    },
  }
}
