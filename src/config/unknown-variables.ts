import { distance } from 'fastest-levenshtein'
import type { Fact } from '../words/index.ts'
import { SETTING_LIST, type SettingProblem } from './settings.ts'

/** Every variable that means something to us. */
export const KNOWN: readonly string[] = SETTING_LIST.flatMap(({ variables }) => variables)

/** Those that no other program reads: `HTTP_PROXY` is no misspelt `HTTPS_PROXY`. */
const OWN = KNOWN.filter((name) => !/_proxy$/i.test(name))

/** No other program has such a variable. `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` are of systemd. */
const OURS = /^(?:ISALES|OBS|LISTEN|SESSION_STORE)_(?!PID$|FD)/

/** Kubernetes sets these for each Service in the namespace; one called `isales` looks like a setting of ours. */
const SERVICE_LINK = /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_|$)|$)/

/** Warnings for variables that are nearly one of ours, and for those that only we could mean. */
export function unknownVariables(
  env: Readonly<Record<string, string | undefined>>,
): readonly SettingProblem[] {
  const names = Object.keys(env).filter((name) => !KNOWN.includes(name) && !SERVICE_LINK.test(name))
  return names.flatMap((setting): readonly SettingProblem[] => {
    // Short names of other programs are often two edits away from ours: DB_USER and OBS_USER.
    const near =
      nearest(setting.toUpperCase(), OWN, setting.length < 9 ? 1 : 2) ??
      // ISALES_USERNAME
      OWN.find((name) => name.startsWith('ISALES_') && setting.toUpperCase().startsWith(name))
    if (near === undefined && !OURS.test(setting)) return []
    const facts: readonly Fact[] = near === undefined ? [] : [['meant', near]]
    return [{ setting, code: 'unknown-setting', facts, isWarning: true }]
  })
}

/** The candidate within so many edits that is the nearest, or undefined. */
export function nearest(
  word: string,
  candidates: readonly string[],
  limit: number,
): string | undefined {
  const [best] = candidates
    // Most are too long or too short, and cost no comparison.
    .filter(({ length }) => Math.abs(length - word.length) <= limit)
    .map((candidate) => ({ candidate, edits: distance(word, candidate) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits)
  return best?.candidate
}
