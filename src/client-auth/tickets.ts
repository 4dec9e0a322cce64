import { createHmac, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../config/index.ts'

export type Tickets = ReturnType<typeof createTickets>

/**
 * Layout of a ticket in bytes: kind (1), expiry in seconds since 1970 (5), end of the session (5), random (5),
 * HMAC-SHA-256 of those (32). A ticket contains nothing about a user; base64url suits headers and JSON.
 */
const END_AT = 1
const SESSION_AT = 6
const INSTANT = 5
const RANDOM_AT = 11
const MAC_AT = 16
const LENGTH = 48

/** Both authorize business calls, because iSales's Chinese edition sends the refresh token; `refresh` also renews. */
const KIND_BYTES = { access: 1, refresh: 2 } as const
const REFRESH_FACTOR = 12
/** Seconds; a renewal costs nothing here, and a stolen ticket expires within the hour. */
const ACCESS_SECONDS = 3600
/** Seconds of a session: a leaked key cannot forge lasting tickets, and a changed user logs in within a day. */
const MAX_SESSION = 24 * 3600
/** Seconds by which two proxies' clocks may differ. */
const CLOCK_SKEW = 5 * 60
/** Changes with the format, so that a ticket of another format is never misread. */
const KEY_PURPOSE = 'isales-auth-proxy ticket 2'
const KEY_BYTES = 32
/** About 50 ms and 16 MiB for every password that an attacker tries against a ticket, and once here. */
const SCRYPT = { N: 16_384, r: 8, p: 1 }

/**
 * Creates tickets that need no store: a ticket carries its expiry, and an HMAC that only this key can make. Proxies
 * with the same password accept each other's tickets; without a password, tickets end with this process. Tickets become
 * invalid when the password changes. A refresh ticket lives twelve times as long as an access ticket, as in iSales's
 * example, and both live 24 h at most.
 *
 * @param now milliseconds since 1970, because tickets outlive restarts and cross machines.
 */
export function createTickets(password: Secret | undefined, now: () => number) {
  const key =
    password === undefined
      ? randomBytes(KEY_BYTES)
      : scryptSync(password.reveal(), KEY_PURPOSE, KEY_BYTES, SCRYPT)
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

  /** Returns the ticket's bytes if its HMAC is right and it has not expired. */
  function read(ticket: string): Buffer | undefined {
    const bytes = Buffer.from(ticket, 'base64url')
    if (bytes.length !== LENGTH) return undefined
    if (!timingSafeEqual(macOf(key, bytes), bytes.subarray(MAC_AT))) return undefined
    const left = bytes.readUIntBE(END_AT, INSTANT) * 1000 - now()
    return left > 0 && left <= (MAX_SESSION + CLOCK_SKEW) * 1000 ? bytes : undefined
  }

  return {
    /** Issues a pair with lifetimes in seconds, with the members of iSales's `resultData`. */
    issue: () => issue(seconds() + MAX_SESSION),
    /** Accepts either kind, because a business call may carry either. */
    isValid: (ticket: string): boolean => read(ticket) !== undefined,
    /** Issues a new pair of the same session for a valid refresh ticket; undefined for any other ticket. */
    renew(ticket: string) {
      const bytes = read(ticket)
      if (bytes?.[0] !== KIND_BYTES.refresh) return undefined
      return issue(bytes.readUIntBE(SESSION_AT, INSTANT))
    },
  }
}

function macOf(key: Buffer, bytes: Buffer): Buffer {
  return createHmac('sha256', key).update(bytes.subarray(0, MAC_AT)).digest()
}

/** Headers of the interface's two editions. */
const TICKET_HEADER = /^auth(?:orization|entication)$/i
const SCHEME = /^bearer +/i

/**
 * Returns true for a ticket in either header, because clients of one edition may send anything in the other's header.
 *
 * @param rawHeaders name, value, name, value.
 */
export function hasTicket(rawHeaders: readonly string[], isValid: Tickets['isValid']): boolean {
  return rawHeaders.some(
    (value, index) =>
      index % 2 === 1 &&
      TICKET_HEADER.test(rawHeaders[index - 1] ?? '') &&
      isValid(ticketIn(value)),
  )
}

/** Returns the ticket in a header value: after `Bearer`, or bare. */
export function ticketIn(value: string): string {
  return value.replace(SCHEME, '')
}
