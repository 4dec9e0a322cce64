import type { BackoffState } from '../token/events.ts'
import type { AuthFailureReason } from '../token/protocol.ts'
import type { StoreFailureReason } from '../token/sharing.ts'
import type { State } from './state.ts'

/** `bad`: somebody has to act. `quiet`: there is nothing to judge yet. */
type Tone = 'good' | 'warning' | 'bad' | 'quiet'

export const TONES: Readonly<Record<State, Tone>> = {
  starting: 'quiet',
  healthy: 'good',
  degraded: 'warning',
  failing: 'bad',
  unauthenticated: 'bad',
  refused: 'bad',
  conflict: 'bad',
  draining: 'quiet',
}

export const REASONS: Readonly<Record<AuthFailureReason, string>> = {
  rejected: 'user or password refused (4xx)',
  result: '200 with a result other than 0',
  throttled: 'too many logins (429)',
  unavailable: 'no connection, or 5xx',
  timeout: 'no response in time',
  tls: 'certificate or handshake failed',
  malformed: 'response not understood',
}

export const STORE_REASONS: Readonly<Record<StoreFailureReason, string>> = {
  unreachable: 'no connection to the store',
  timeout: 'the store is too slow',
  tls: 'certificate or handshake of the store failed',
  auth: 'user or password refused by the store',
  permission: 'the user may not do this at the store',
  readonly: 'the store is a replica',
  memory: 'the memory of the store is full',
  'wrong-type': 'something else wrote the key',
  cluster: 'the store is part of a cluster',
  loading: 'the store is loading its data',
  replicas: 'the store has too few replicas',
  refused: 'the store refused it',
  malformed: 'reply of the store not understood',
}

export const BACKOFFS: Readonly<Record<BackoffState, string>> = {
  none: 'none',
  transient: 'waiting to retry',
  rejected: 'credentials refused',
  guarded: 'guarding the account',
  conflict: 'waiting: another login',
}

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const

/** The two largest units: `3 min 55 s`, `2 d 4 h`; below 10 s with a decimal, below 1 s in ms. */
export function duration(seconds: number): string {
  if (seconds < 0) return `−${duration(-seconds)}`
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 9.95) return `${Math.round(seconds * 10) / 10} s`
  const whole = Math.round(seconds)
  const first = UNITS.findIndex(([, size]) => whole >= size)
  const [name, size] = UNITS[first] ?? UNITS[3]
  const next = UNITS[first + 1]
  const large = `${Math.floor(whole / size)} ${name}`
  const rest = next === undefined ? 0 : Math.floor((whole % size) / next[1])
  return next === undefined || rest === 0 ? large : `${large} ${rest} ${next[0]}`
}

/** In whole seconds. */
export function countdown(seconds: number): string {
  return seconds < 60 ? `${Math.floor(seconds)} s` : duration(Math.floor(seconds))
}

/** `09:41:05 UTC`. */
export function clockTime(instant: string): string {
  return `${instant.slice(11, 19)} UTC`
}

/** `3 min 5 s ago`, as seen at `now`. */
export function ago(instant: string, now: string): string {
  const seconds = (Date.parse(now) - Date.parse(instant)) / 1000
  if (seconds < 1) return 'just now'
  const whole = duration(Math.round(seconds))
  return `${seconds < 3600 ? whole : whole.split(' ', 2).join(' ')} ago`
}

/** `for 58 min`, as seen at `now`. */
export function until(instant: string, now: string): string {
  const seconds = (Date.parse(instant) - Date.parse(now)) / 1000
  return seconds <= 0 ? 'ended' : `for ${duration(Math.ceil(seconds))}`
}

/** `12,345`. */
export function number(value: number): string {
  return value.toLocaleString('en-US')
}
