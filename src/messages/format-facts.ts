import type { Code } from '../codes.ts'
import { HOUR, MINUTE } from '../clock.ts'
import { findSection } from './doc-sections.ts'
import { isFact, type FactName, type Messages } from './messages.ts'

/** `at` is a date in ISO 8601, UTC. */
export type Value =
  | string
  | number
  | boolean
  | { readonly at: string }
  | { readonly seconds: number }
  | { readonly part: number; readonly of: number }

/** A detail that differs from case to case, shown next to a code. */
export type Fact = readonly [name: FactName, value: Value]

/** A code, whose section explains the event, and the details of this case. */
export interface Explained {
  readonly code: Code
  readonly facts: readonly Fact[]
}

/** Time and time zone of a text's reader. */
export interface Reading {
  /** Milliseconds since 1970. */
  readonly now: number
  /** Minutes by which the machine's clock is ahead of UTC. */
  readonly offset: number
}

/** Returns title, remedy and facts on one line, for log and commands. The facts are last, because a log line is cut. */
export function formatLine(messages: Messages, { code, facts }: Explained): string {
  const { title, remedy } = findSection(messages.language, code)
  return messages.sentences(title, remedy, factsLine(messages, facts))
}

/** Formats facts, as `iSales (ISALES_URL): isales.example:443; Status: 503`. */
export function factsLine(messages: Messages, facts: readonly Fact[], reading?: Reading): string {
  return facts
    .map((fact) => messages.labelled(messages.facts[fact[0]], factText(messages, fact, reading)))
    .join(messages.between)
}

/** @param reading if undefined, dates are complete and in UTC. */
export function factText(messages: Messages, [name, value]: Fact, reading?: Reading): string {
  return typeof value === 'string' && !isFact('coded', name)
    ? value
    : valueText(messages, value, reading)
}

function valueText(messages: Messages, value: Value, reading?: Reading): string {
  if (typeof value === 'number') return value.toLocaleString('en-US')
  if (typeof value === 'boolean') return messages.values[value ? 'yes' : 'no']
  if (typeof value === 'string')
    return Object.hasOwn(messages.values, value)
      ? messages.values[value as keyof Messages['values']]
      : value
  if ('seconds' in value) return durationText(messages, value.seconds)
  if ('part' in value)
    return messages.of(valueText(messages, value.part), valueText(messages, value.of))
  const time = Date.parse(value.at)
  if (reading === undefined) return `${value.at.slice(0, 16).replace('T', ' ')} UTC`
  const seconds = Math.round((time - reading.now) / 1000)
  const text = timeText(time, reading)
  if (seconds === 0) return text
  const distance = durationText(messages, Math.abs(seconds))
  return messages.aside(text, messages[seconds < 0 ? 'ago' : 'in'](distance))
}

/** Formats a time as `14:47:05` by the machine's clock; on another day with its date and without seconds. */
export function timeText(time: number, { now, offset }: Reading): string {
  const local = new Date(time + offset * MINUTE).toISOString()
  return Math.abs(time - now) < 12 * HOUR
    ? local.slice(11, 19)
    : local.slice(0, 16).replace('T', ' ')
}

/** Formats a date as `2026-03-02 17:41:05 +08:00`. */
export function dateText({ now, offset }: Reading): string {
  const local = new Date(now + offset * MINUTE).toISOString().slice(0, 19).replace('T', ' ')
  const minutes = Math.abs(offset)
  const two = (part: number): string => String(Math.trunc(part)).padStart(2, '0')
  return `${local} ${offset === 0 ? 'UTC' : `${offset < 0 ? '−' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`}`
}

/** Length of every unit in seconds. */
const UNITS = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
] as const

/** Formats the two largest units: `3 min 55 s`, `2 d 4 h`; below 10 s with a decimal, below 1 s in ms. */
export function durationText({ units }: Messages, seconds: number): string {
  if (seconds > 0 && seconds < 0.9995) return `${Math.round(seconds * 1000)} ${units.millisecond}`
  if (seconds < 9.95) return `${Math.round(Math.max(0, seconds) * 10) / 10} ${units.second}`
  const whole = Math.round(seconds)
  const first = UNITS.findIndex(([size]) => whole >= size)
  const [size, name] = UNITS[first] ?? UNITS[3]
  const next = UNITS[first + 1]
  const large = `${Math.floor(whole / size)} ${units[name]}`
  const rest = next === undefined ? 0 : Math.floor((whole % size) / next[0])
  return next === undefined || rest === 0 ? large : `${large} ${rest} ${units[next[1]]}`
}
