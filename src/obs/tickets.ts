import { createHmac, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../config/index.ts'

export type Tickets = ReturnType<typeof createTickets>

/**
 * The bytes of a ticket: kind (1), end in seconds since 1970 (5), end of the session (5), random (5), HMAC-SHA-256 of
 * those (32). It holds nothing of a user, and base64url makes it safe in a header and in JSON.
 */
const END_AT = 1
const SESSION_AT = 6
const INSTANT = 5
const RANDOM_AT = 11
const MAC_AT = 16
const LENGTH = 48

/**
 * `access` goes with business calls, `refresh` renews. iSales' Chinese edition puts the refresh token into the header of
 * business calls, so both are valid there.
 */
const KIND_BYTES = { access: 1, refresh: 2 } as const
const REFRESH_FACTOR = 12
/** CTI-OBS refreshes a ticket or logs in again, which costs nothing here; a stolen one ends within the hour. */
const ACCESS_SECONDS = 3600
/**
 * Seconds that a session lasts: a changed user logs in once a day. No ticket that ends later is believed, so that whoever
 * finds out the key forges nothing that lasts.
 */
const MAX_SESSION = 24 * 3600
/** Seconds that the clocks of two proxies may differ: a ticket of 24 h ends later by the clock that is behind. */
const CLOCK_SKEW = 5 * 60
/** Changes with the format, so that an old ticket cannot be read as a new one. */
const KEY_PURPOSE = 'isales-auth-proxy ticket 2'
const KEY_BYTES = 32
/** Some 50 ms and 16 MiB for each password that somebody tries against a ticket, and once here. */
const SCRYPT = { N: 16_384, r: 8, p: 1 }

/**
 * Tickets that need no store: each carries its end, and an HMAC that only this key can make. Proxies with the same
 * password accept each other's tickets; without one, tickets end with this process. Tickets end when the password changes. A refresh ticket lives twelve times as long as an access ticket, as in
 * iSales' example, and both 24 h at most.
 *
 * @param now milliseconds since 1970: a ticket carries its end across restarts and machines.
 */
export function createTickets(password: Secret | undefined, now: () => number) {
  const key = password === undefined ? randomBytes(KEY_BYTES) : deriveKey(password)
  const seconds = (): number => Math.floor(now() / 1000)

  /** @param session the end of the session, in seconds since 1970. */
  function write(kind: keyof typeof KIND_BYTES, end: number, session: number): string {
    const bytes = Buffer.alloc(LENGTH)
    bytes[0] = KIND_BYTES[kind]
    bytes.writeUIntBE(end, END_AT, INSTANT)
    bytes.writeUIntBE(session, SESSION_AT, INSTANT)
    randomBytes(MAC_AT - RANDOM_AT).copy(bytes, RANDOM_AT)
    macOf(key, bytes).copy(bytes, MAC_AT)
    return bytes.toString('base64url')
  }

  function issue(session: number) {
    const at = seconds()
    const longest = Math.min(session - at, MAX_SESSION)
    const access = Math.min(ACCESS_SECONDS, longest)
    const refresh = Math.min(ACCESS_SECONDS * REFRESH_FACTOR, longest)
    return {
      token: write('access', at + access, session),
      tokenExpirationTime: access,
      refreshToken: write('refresh', at + refresh, session),
      refreshExpirationTime: refresh,
    }
  }

  /** The ticket's bytes when its HMAC is right and it has not ended. */
  function read(ticket: string): Buffer | undefined {
    const bytes = Buffer.from(ticket, 'base64url')
    if (bytes.length !== LENGTH) return undefined
    if (!timingSafeEqual(macOf(key, bytes), bytes.subarray(MAC_AT))) return undefined
    const left = bytes.readUIntBE(END_AT, INSTANT) * 1000 - now()
    return left > 0 && left <= (MAX_SESSION + CLOCK_SKEW) * 1000 ? bytes : undefined
  }

  return {
    /** A pair, with lifetimes in seconds, as iSales names them in `resultData`. */
    issue: () => issue(seconds() + MAX_SESSION),
    /** A business call may carry either kind. */
    isValid: (ticket: string): boolean => read(ticket) !== undefined,
    /** A new pair of the same session for a valid refresh ticket; undefined for an access ticket, too. */
    renew(ticket: string) {
      const bytes = read(ticket)
      if (bytes?.[0] !== KIND_BYTES.refresh) return undefined
      return issue(bytes.readUIntBE(SESSION_AT, INSTANT))
    },
  }
}

function deriveKey(password: Secret): Buffer {
  return scryptSync(password.reveal(), KEY_PURPOSE, KEY_BYTES, SCRYPT)
}

function macOf(key: Buffer, bytes: Buffer): Buffer {
  return createHmac('sha256', key).update(bytes.subarray(0, MAC_AT)).digest()
}

/** The headers of the two editions of the interface. */
const TICKET_HEADER = /^auth(?:orization|entication)$/i
const SCHEME = /^bearer +/i

/**
 * One in either header is enough: the other may hold whatever that edition's client puts there.
 *
 * @param rawHeaders name, value, name, value.
 */
export function hasTicket(
  rawHeaders: readonly string[],
  tickets: Pick<Tickets, 'isValid'>,
): boolean {
  return rawHeaders.some(
    (value, index) =>
      index % 2 === 1 &&
      TICKET_HEADER.test(rawHeaders[index - 1] ?? '') &&
      tickets.isValid(ticketIn(value)),
  )
}

/** The ticket of a header value: after `Bearer`, or bare. */
export function ticketIn(value: string): string {
  return value.replace(SCHEME, '')
}
