import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Secret } from '../config/secret.ts'

/**
 * `access` goes with business calls, `refresh` renews. iSales' Chinese edition puts the refresh token into
 * the header of business calls, so both are valid there.
 */
type TicketKind = 'access' | 'refresh'

type Verdict = 'valid' | 'expired' | 'invalid'

/** A pair of tickets and their lifetimes in whole seconds. */
export interface IssuedTickets {
  readonly access: string
  readonly accessSeconds: number
  readonly refresh: string
  readonly refreshSeconds: number
}

export interface Tickets {
  readonly issue: () => IssuedTickets
  /** For a business call, where either kind is valid. A verdict of `valid` is cached. */
  readonly verify: (ticket: string) => Verdict
  /** A new pair for a refresh ticket; an access ticket is `invalid` here. */
  readonly renew: (ticket: string) => IssuedTickets | Exclude<Verdict, 'valid'>
}

export interface TicketOptions {
  /** Proxies with the same key accept each other's tickets. Undefined: tickets end with this process. */
  readonly key: Secret | undefined
  /** Of an access ticket, milliseconds; a refresh ticket's is twelve times as long, as in iSales' example. */
  readonly lifetime: number
  /** Milliseconds since 1970: a ticket carries its end across restarts and machines. */
  readonly now: () => number
}

/**
 * The bytes of a ticket: kind (1), end in seconds since 1970 (6), random (9), HMAC-SHA-256 of those (32).
 * It holds nothing of a user, and base64url makes it safe in a header and in JSON.
 */
const END_AT = 1
const RANDOM_AT = 7
const MAC_AT = 16
const LENGTH = 48
const TEXT_LENGTH = (LENGTH / 3) * 4

const KIND_BYTES = { access: 1, refresh: 2 } as const satisfies Record<TicketKind, number>
const REFRESH_FACTOR = 12
const CACHED = 10_000
/** Changes with the format, so that an old ticket cannot be read as a new one. */
const KEY_PURPOSE = 'isales-auth-proxy ticket 1'
const KEY_BYTES = 32

/** Tickets that need no store: each carries its end, and an HMAC that only this key can make. */
export function createTickets(options: TicketOptions): Tickets {
  const { lifetime, now } = options
  const key = deriveKey(options.key)
  // Only verified tickets get in, so forgeries cannot evict one.
  const verified = new LRUCache<string, true>({
    max: CACHED,
    ttl: 1,
    ttlResolution: 0,
    perf: { now },
  })
  const accessSeconds = Math.max(1, Math.floor(lifetime / 1000))
  const refreshSeconds = accessSeconds * REFRESH_FACTOR

  function write(kind: TicketKind, seconds: number): string {
    const bytes = Buffer.alloc(LENGTH)
    bytes[0] = KIND_BYTES[kind]
    bytes.writeUIntBE(Math.floor(now() / 1000) + seconds, END_AT, RANDOM_AT - END_AT)
    randomBytes(MAC_AT - RANDOM_AT).copy(bytes, RANDOM_AT)
    macOf(key, bytes).copy(bytes, MAC_AT)
    return bytes.toString('base64url')
  }

  function issue(): IssuedTickets {
    const [access, refresh] = [write('access', accessSeconds), write('refresh', refreshSeconds)]
    return { access, accessSeconds, refresh, refreshSeconds }
  }

  /** The ticket's bytes when its HMAC is right and it has not ended. */
  function read(ticket: string): Buffer | Exclude<Verdict, 'valid'> {
    if (ticket.length !== TEXT_LENGTH) return 'invalid'
    const bytes = Buffer.from(ticket, 'base64url')
    // Node skips what is not base64url; two texts for one ticket would be two entries.
    if (bytes.length !== LENGTH || bytes.toString('base64url') !== ticket) return 'invalid'
    if (!timingSafeEqual(macOf(key, bytes), bytes.subarray(MAC_AT))) return 'invalid'
    return endOf(bytes) > now() ? bytes : 'expired'
  }

  return {
    issue,
    verify(ticket) {
      if (verified.get(ticket) === true) return 'valid'
      const bytes = read(ticket)
      if (typeof bytes === 'string') return bytes
      // The cache keeps an entry through the last millisecond of its ttl; a ttl of 0 means no end.
      const ttl = endOf(bytes) - now() - 1
      if (ttl > 0) verified.set(ticket, true, { ttl })
      return 'valid'
    },
    renew(ticket) {
      const bytes = read(ticket)
      if (typeof bytes === 'string') return bytes
      return bytes[0] === KIND_BYTES.refresh ? issue() : 'invalid'
    },
  }
}

function deriveKey(secret: Secret | undefined): Buffer {
  if (secret === undefined) return randomBytes(KEY_BYTES)
  return Buffer.from(hkdfSync('sha256', secret.reveal(), '', KEY_PURPOSE, KEY_BYTES))
}

function macOf(key: Buffer, bytes: Buffer): Buffer {
  return createHmac('sha256', key).update(bytes.subarray(0, MAC_AT)).digest()
}

function endOf(bytes: Buffer): number {
  return bytes.readUIntBE(END_AT, RANDOM_AT - END_AT) * 1000
}
