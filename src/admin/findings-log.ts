import { SECOND, toSeconds, type Timer } from '../clock.ts'
import { en, factsLine, findSection } from '../messages/index.ts'
import { explainFinding } from './explain-finding.ts'
import { STATES } from '../codes.ts'
import type { Finding } from './diagnosis.ts'
import type { ActivityRecorder } from './activity.ts'
import type { AdminSources } from './sources.ts'

const LEVELS = { bad: 'error', warning: 'warn', good: undefined, quiet: undefined } as const
const levelOf = ({ state }: Finding) => LEVELS[STATES[state]]
/** Milliseconds after which an outage of all calls is `failing`, so that it needs no line as `degraded`. */
const SETTLES = 3 * SECOND

interface Open {
  readonly first: Finding
  readonly since: number
  /** State, cause and first remedy of the last line that was written; empty if none was. */
  written: string
  /** Level of the end: `warn` if the state of a line needed an operator. */
  level: 'info' | 'warn'
  share: number
}

/**
 * Logs the findings of the status page: one line when a finding begins, or its state or cause changes, and one when it
 * ends. Looks every second, and when asked to. `logThrottle` suppresses lines of alternating causes, and of a finding that
 * begins again within a minute. A finding that is over, or has no effect on the state, has ended. One that follows from the
 * headline begins no line, and ends none.
 */
export function watchFindings(
  { clock, log, logThrottle }: Pick<AdminSources, 'clock' | 'log' | 'logThrottle'>,
  read: () => readonly [Finding, ...Finding[]],
  { onState, beat }: Pick<ActivityRecorder, 'onState' | 'beat'>,
) {
  /** Undefined for a finding that has ended and is still on the page. */
  const open = new Map<string, Open | undefined>()
  let next: Timer | undefined

  const begin = (key: string, each: Finding): void => {
    const { finding, state, code, cause } = each
    const now = clock.now()
    const of = open.get(key) ?? { first: each, since: now, written: '', level: 'info', share: 0 }
    open.set(key, of)
    const causes = `${cause?.code} ${each.first}`
    const content = `${state} ${causes}`
    const share = lostShare(each)
    const worsens = state === 'degraded' && share > of.share && now - of.since < SETTLES
    of.share = share
    if (of.written === content || worsens || logThrottle(key, content) === 0) return
    of.written = content
    if (levelOf(each) === 'error') of.level = 'warn'
    // An ending outage is `degraded` for some seconds, which needs no line.
    if (state === 'failing') logThrottle(key, `degraded ${causes}`)
    const { title, reason, remedy, facts, runbooks } = explainFinding(each, 'en')
    const section = runbooks.at(-1)?.replace('/docs/', '')
    const detail = factsLine(en, facts)
    const fields = { finding, state, code, cause: cause?.code, section, detail }
    log('finding-began', fields, levelOf(each), en.sentences(title, reason, remedy))
  }

  const logEnd = ({ first: { finding, code }, since, level }: Open): void => {
    const durationSeconds = Math.round(toSeconds(clock.now() - since))
    const message = `${findSection('en', code).title}; ended after ${durationSeconds} s`
    log('finding-ended', { finding, durationSeconds }, level, message)
  }

  const look = (): void => {
    const all = read()
    onState(all[0].state)
    // The end of the process ends no finding.
    if (all[0].finding === 'draining') return
    const present = new Map<string, Finding>()
    for (const each of all) {
      let key = `finding ${identityOf(each)}`
      while (present.has(key)) key += '+'
      if (levelOf(each) !== undefined) present.set(key, each)
    }
    for (const [key, ended] of open) {
      if (present.get(key)?.isOver === false) continue
      if (ended !== undefined && ended.written !== '') logEnd(ended)
      open.set(key, undefined)
      if (!present.has(key) && open.delete(key)) logThrottle.over(key)
    }
    for (const [key, each] of present) if (!each.isOver && each.follows !== true) begin(key, each)
  }

  const lookAndWait = (): void => {
    beat()
    look()
    next = clock.setTimer(lookAndWait, SECOND)
  }
  lookAndWait()
  return { look, end: () => next?.cancel() }
}

/** Distinguishes findings of one name: files by their setting, and impairments of the process by their cause. */
function identityOf({ finding, cause, facts }: Finding): string {
  const [, setting = ''] = facts.find(([name]) => name === 'setting') ?? []
  return `${finding} ${finding === 'process' ? cause?.code : JSON.stringify(setting)}`
}

function lostShare({ facts }: Finding): number {
  const value = facts.find(([name]) => name === 'lostCalls')?.[1]
  return typeof value === 'object' && 'part' in value ? value.part / value.of : 0
}
