import { LANGUAGES, WORDS, type Language, type Pair, type Text } from './texts.ts'

const UNITS = [
  [86_400, ['d', '天']],
  [3600, ['h', '小时']],
  [60, ['min', '分']],
  [1, ['s', '秒']],
] as const satisfies readonly (readonly [number, Text])[]
const MILLISECONDS: Text = ['ms', '毫秒']

/** The names in braces of a text. */
type Names<T extends string> = T extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Names<Rest>
  : never
export type Values = Readonly<Record<string, string | number>>
/** The values that an English text names, if any; a test says that the Chinese one names the same. */
export type ValuesOf<T extends Text> = [Names<T[0]>] extends [never]
  ? undefined
  : Readonly<Record<Names<T[0]>, string | number>>
type Word = keyof typeof WORDS
type WordValues<Name extends Word> = ValuesOf<(typeof WORDS)[Name]>

export type Speaker = ReturnType<typeof createSpeaker>

/** Says texts, durations and times in one language. */
export function createSpeaker(language: Language) {
  const index = LANGUAGES.indexOf(language)
  const pick = <Value>(pair: Pair<Value>): Value => pair[index] ?? pair[0]
  const fill = (text: Text, values: Values = {}): string =>
    pick(text).replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name] ?? ''
      return typeof value === 'number' ? number(value) : value
    })
  /** The compiler demands the values that the text names. */
  const say = <Name extends Word>(
    name: Name,
    ...[values]: undefined extends WordValues<Name> ? [] : [values: WordValues<Name>]
  ): string => fill(WORDS[name], values)

  /** The two largest units: `3 min 55 s`, `2 d 4 h`; below 10 s with a decimal, below 1 s in ms. */
  const duration = (seconds: number): string => {
    if (seconds < 0) return `−${duration(-seconds)}`
    if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ${pick(MILLISECONDS)}`
    if (seconds < 9.95) return `${Math.round(seconds * 10) / 10} ${pick(UNITS[3][1])}`
    const whole = Math.round(seconds)
    const first = UNITS.findIndex(([size]) => whole >= size)
    const [size, name] = UNITS[first] ?? UNITS[3]
    const next = UNITS[first + 1]
    const large = `${Math.floor(whole / size)} ${pick(name)}`
    const rest = next === undefined ? 0 : Math.floor((whole % size) / next[0])
    return next === undefined || rest === 0 ? large : `${large} ${rest} ${pick(next[1])}`
  }

  return {
    language,
    pick,
    fill,
    say,
    duration,
    /** In whole seconds. */
    countdown: (seconds: number): string =>
      seconds < 60 ? `${Math.floor(seconds)} ${pick(UNITS[3][1])}` : duration(Math.floor(seconds)),
    /** `3 min 5 s ago`, as seen at `now`. */
    ago: (instant: string, now: string): string => {
      const seconds = (Date.parse(now) - Date.parse(instant)) / 1000
      if (seconds < 1) return say('justNow')
      const whole = duration(Math.round(seconds))
      return say('ago', {
        time: seconds < 3600 ? whole : whole.split(' ', 2).join(' '),
      })
    },
    /** `for 58 min`, as seen at `now`. */
    until: (instant: string, now: string): string => {
      const seconds = (Date.parse(instant) - Date.parse(now)) / 1000
      return seconds <= 0 ? say('ended') : say('for', { time: duration(Math.ceil(seconds)) })
    },
  }
}

/** `12,345`. */
export function number(value: number): string {
  return value.toLocaleString('en-US')
}

/**
 * `17:41:05 +08:00 (09:41:05 UTC)`; without the first where the machine lives by UTC.
 *
 * @param offset minutes east of UTC.
 */
export function clockTime(instant: string, offset: number): string {
  const utc = `${instant.slice(11, 19)} UTC`
  if (offset === 0) return utc
  const local = new Date(Date.parse(instant) + offset * 60_000).toISOString().slice(11, 19)
  const minutes = Math.abs(offset)
  const two = (part: number): string => String(Math.trunc(part)).padStart(2, '0')
  return `${local} ${offset < 0 ? '−' : '+'}${two(minutes / 60)}:${two(minutes % 60)} (${utc})`
}
