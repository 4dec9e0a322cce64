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
