import { randomBytes } from 'node:crypto'
import { isCauseCode } from '../causes.ts'
import { Secret } from '../config/index.ts'
import { isObject, parseObject } from '../json.ts'
import type { Account, Lease } from './account.ts'
import { KNOWN_GOOD_FOR, MAX_AHEAD, type AttemptRecord } from './login-guard.ts'
import type { Token } from './token.ts'

// The account as a text, in a file and in a store. Its instants are milliseconds of the home's clock.

/** The whole value, with the records of all credentials by name. Instants are on this process's monotonic clock. */
export interface SharedState extends Pick<Account, 'lease' | 'token'> {
  readonly records: ReadonlyMap<string, AttemptRecord>
}

export const NO_STATE: SharedState = { records: new Map(), lease: undefined, token: undefined }

/** Changes with each incompatible text. Causes and fields that a version does not know are compatible. */
export const FORMAT = 6
/** JSON turns -Infinity into null. */
const INSTANTS = ['pauseFrom', 'attemptedAt', 'grantedAt', 'knownGoodUntil'] as const
const MAX_COUNT = 1e6
const MAX_RECORDS = 20

/**
 * Returns JSON that is unique to this call: if two processes wrote the same text, each would take the other's for its own.
 *
 * @param offset milliseconds that the home's clock is ahead.
 */
export function encodeState({ records, lease, token }: SharedState, offset: number): string {
  const last = ({ pauseFrom, grantedAt }: AttemptRecord): number => Math.max(pauseFrom, grantedAt)
  const latest = [...records].sort(([, one], [, other]) => last(other) - last(one))
  const entries = latest.slice(0, MAX_RECORDS).map(([name, record]) => {
    const instants = INSTANTS.map((field) => [field, Math.round(record[field] + offset)] as const)
    return [name, { ...record, unshared: undefined, ...Object.fromEntries(instants) }] as const
  })
  const since = lease?.refreshingSince
  return JSON.stringify({
    version: FORMAT,
    nonce: randomBytes(8).toString('hex'),
    entries: Object.fromEntries(entries),
    lease: lease && {
      ...lease,
      until: lease.until + offset,
      refreshingSince: since === undefined ? since : since + offset,
    },
    token: token && {
      ...token,
      token: token.token.reveal(),
      refreshToken: token.refreshToken?.reveal(),
      sentAt: token.sentAt + offset,
    },
  })
}

/**
 * Returns undefined for a text that this program did not write. An instant that is later than any that it writes dates from
 * before the home's clock was set back, and is replaced by the latest that it writes.
 */
export function decodeState(text: string, offset: number, now: number): SharedState | undefined {
  const { version, entries, lease, token } = parseObject(text) ?? {}
  if (version !== FORMAT || !isObject(entries)) return undefined
  const records = new Map<string, AttemptRecord>()
  for (const [name, each] of Object.entries(entries)) {
    const record = decodeRecord(each, offset, now)
    if (record === undefined) return undefined
    records.set(name, record)
  }
  return { records, lease: decodeLease(lease, offset), token: decodeToken(token, offset, now) }
}

function decodeRecord(value: unknown, offset: number, now: number): AttemptRecord | undefined {
  if (!isObject(value)) return undefined
  const { attempts, rejections, lastCode } = value
  const instant = (field: string, most: number): number => {
    const time = value[field]
    if (time === null) return -Infinity
    if (typeof time !== 'number') return NaN
    return Math.min(time - offset, now + most)
  }
  const pauseFrom = instant('pauseFrom', MAX_AHEAD)
  // Another version may not have it.
  const attemptedAt = instant('attemptedAt' in value ? 'attemptedAt' : 'pauseFrom', 0)
  const grantedAt = instant('grantedAt', 0)
  const knownGoodUntil = instant('knownGoodUntil', KNOWN_GOOD_FOR)
  const isWhole = !Number.isNaN(pauseFrom + attemptedAt + grantedAt + knownGoodUntil)
  if (!isWhole || !isCount(attempts) || !isCount(rejections)) return undefined
  // Another version may have a cause that this one does not know; its attempts count nevertheless.
  const code = isCauseCode(lastCode) ? lastCode : undefined
  const instants = { pauseFrom, attemptedAt, grantedAt, knownGoodUntil }
  return { attempts, rejections, ...instants, lastCode: code, unshared: false }
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_COUNT
}

function decodeLease(value: unknown, offset: number): Lease | undefined {
  const { holder, until, refreshingSince } = isObject(value) ? value : {}
  if (typeof holder !== 'string' || typeof until !== 'number') return undefined
  const since = typeof refreshingSince === 'number' ? refreshingSince - offset : undefined
  return { holder, until: until - offset, refreshingSince: since }
}

function decodeToken(value: unknown, offset: number, now: number): Token | undefined {
  if (!isObject(value)) return undefined
  // Only a process with the key of the store writes a token.
  const { token, refreshToken, sentAt, ...rest } = value as unknown as Written
  return {
    token: new Secret(token),
    refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken),
    sentAt: Math.min(now, sentAt - offset),
    ...rest,
  }
}

type Written = Omit<Token, 'token' | 'refreshToken'> &
  Readonly<{ token: string; refreshToken?: string }>
