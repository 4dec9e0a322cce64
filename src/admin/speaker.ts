import { WORDS, type Language, type Words } from '../words/index.ts'

/** Seconds. */
const UNITS = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
] as const

/** A sentence, or what makes one of values. */
type Sentence = string | ((values: never) => string)
/** Numbers are written as people read them. */
export type ValuesOf<Of extends Sentence> = Of extends (values: infer Given) => string
  ? { readonly [Name in keyof Given]: string | number }
  : object
type PageWords = Words['page']
type Arguments<Of extends Sentence> = Of extends string ? [] : [values: ValuesOf<Of>]

export type Speaker = ReturnType<typeof createSpeaker>

/** Says texts, durations and times in one language. */
export function createSpeaker(language: Language) {
  const words = WORDS[language]
  const { units } = words
  const fill = (sentence: Sentence, values: object = {}): string => {
    if (typeof sentence === 'string') return sentence
    const shown = Object.entries(values).map(([name, value]: readonly [string, unknown]) => {
      return [name, typeof value === 'number' ? number(value) : value] as const
    })
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `say` and the findings demand them
    return sentence(Object.fromEntries(shown) as never)
  }
  /** The compiler demands the values that the text names. */
  const say = <Name extends keyof PageWords>(
    name: Name,
    ...[values]: Arguments<PageWords[Name]>
  ): string => fill(words.page[name], values)

  /** The two largest units: `3 min 55 s`, `2 d 4 h`; below 10 s with a decimal, below 1 s in ms. */
  const duration = (seconds: number): string => {
    if (seconds < 0) return `−${duration(-seconds)}`
    if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ${units.millisecond}`
    if (seconds < 9.95) return `${Math.round(seconds * 10) / 10} ${units.second}`
    const whole = Math.round(seconds)
    const first = UNITS.findIndex(([size]) => whole >= size)
    const [size, name] = UNITS[first] ?? UNITS[3]
    const next = UNITS[first + 1]
    const large = `${Math.floor(whole / size)} ${units[name]}`
    const rest = next === undefined ? 0 : Math.floor((whole % size) / next[0])
    return next === undefined || rest === 0 ? large : `${large} ${rest} ${units[next[1]]}`
  }

  return {
    language,
    words,
    fill,
    say,
    duration,
    /**
     * `17:41:05 +08:00 (09:41:05 UTC)`; without the first where the machine lives by UTC.
     *
     * @param offset minutes east of UTC.
     */
    clockTime: (instant: string, offset: number): string => {
      const time = Date.parse(instant)
      const utc = `${timeOf(time, 0)} UTC`
      return offset === 0 ? utc : words.coded(`${timeOf(time, offset)} ${zoneOf(offset)}`, utc)
    },
    /** In whole seconds. */
    countdown: (seconds: number): string =>
      seconds < 60 ? `${Math.floor(seconds)} ${units.second}` : duration(Math.floor(seconds)),
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

/** `17:41:05`, local. */
function timeOf(time: number, offset: number): string {
  return new Date(time + offset * 60_000).toISOString().slice(11, 19)
}

/** `+08:00`. */
function zoneOf(offset: number): string {
  const minutes = Math.abs(offset)
  const two = (part: number): string => String(Math.trunc(part)).padStart(2, '0')
  return `${offset < 0 ? '−' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`
}

/** `14:32` by the local time, `14:32 UTC` where the machine lives by that. */
export function minuteOfDay(time: number, offset: number): string {
  return `${timeOf(time, offset).slice(0, 5)}${offset === 0 ? ' UTC' : ''}`
}
