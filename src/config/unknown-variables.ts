import { closest, distance } from 'fastest-levenshtein'
import type { Fact } from '../messages/index.ts'
import { SETTING_LIST, type SettingProblem } from './settings.ts'

/** Every variable that the proxy reads. */
export const KNOWN: readonly string[] = SETTING_LIST.flatMap(({ variables }) => variables)

/** Variables that no other program reads. `HTTP_PROXY` is not a misspelled `HTTPS_PROXY`. */
const OWN = KNOWN.filter((name) => !/_proxy$/i.test(name))

/** Names that only this program uses. `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` belong to systemd. */
const OURS = /^(?:ISALES|OBS|LISTEN|SESSION_STORE)_(?!PID$|FD)/

/** Set by Kubernetes for every Service in the namespace; one named `isales` looks like one of our settings. */
const SERVICE_LINK = /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_|$)|$)/

/** Warns of variables that resemble a setting, and of unknown ones with a prefix that only we use. */
export function unknownVariables(env: NodeJS.ProcessEnv): readonly SettingProblem[] {
  const names = Object.keys(env).filter((name) => !KNOWN.includes(name) && !SERVICE_LINK.test(name))
  return names.flatMap((setting): readonly SettingProblem[] => {
    // Short names of other programs, such as DB_USER, are often within two edits of a setting, such as OBS_USER.
    const near =
      nearest(setting.toUpperCase(), OWN, setting.length < 9 ? 1 : 2) ??
      // For example, ISALES_USERNAME.
      OWN.find((name) => name.startsWith('ISALES_') && setting.toUpperCase().startsWith(name))
    if (near === undefined && !OURS.test(setting)) return []
    const facts: readonly Fact[] = near === undefined ? [] : [['meant', near]]
    return [{ setting, code: 'unknown-setting', facts, isWarning: true }]
  })
}

/** Returns the nearest candidate within `limit` edits, or undefined. */
export function nearest(word: string, candidates: readonly string[], limit: number) {
  const best = closest(word, candidates)
  return distance(word, best) <= limit ? best : undefined
}
