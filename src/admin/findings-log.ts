import { SECOND, toSeconds, type Timer } from '../clock.ts'
import { en, factsLine, findSection } from '../messages/index.ts'
import { STATES, type Finding, type ProxyState } from './diagnosis.ts'
import type { AdminSources } from './sources.ts'

const LEVELS = { bad: 'error', warning: 'warn' } as const
/** Milliseconds in which some lost calls become most of the calls, if all calls are lost. */
const SETTLES = 3 * SECOND

interface Open {
  readonly first: Finding
  readonly since: number
  /** State and cause of the last line that was written. Empty: none was. */
  written: string
  /** Of the calls that were lost at the last look. */
  share: number
}

interface WatchOptions extends Pick<AdminSources, 'clock' | 'log' | 'news'> {
  readonly onState: (state: ProxyState) => void
}

/**
 * The log says what the page says: one line when a finding begins, and one when it ends, with its title and remedy as the
 * message. Looks every second and when asked to. Another state or cause is another line; `news` keeps causes that take turns
 * all night, and a finding that ends and begins within a minute, from writing a line each time. What is over, or is not a
 * state, has ended. Findings of one name, such as two files that cannot be read, are distinguished by their order.
 */
export function watchFindings(
  { clock, log, news, onState }: WatchOptions,
  read: () => readonly [Finding, ...Finding[]],
) {
  const open = new Map<string, Open>()
  /** With a line that the next one may repeat. */
  const said = new Set<string>()
  let next: Timer | undefined

  const begin = (key: string, each: Finding): void => {
    const { finding, state, code, cause, facts } = each
    const now = clock.now()
    const of = open.get(key) ?? { first: each, since: now, written: '', share: 0 }
    open.set(key, of)
    const [, file = ''] = facts.find(([name]) => name === 'setting') ?? []
    const contentOf = (as: ProxyState): string => `${as} ${cause?.code} ${JSON.stringify(file)}`
    const share = lostShare(each)
    const worsens = state === 'degraded' && share > of.share && now - of.since < SETTLES
    of.share = share
    if (of.written === contentOf(state) || worsens) return
    said.add(key)
    if (news(key, contentOf(state)) === 0) return
    of.written = contentOf(state)
    // An outage that ends is `degraded` for some seconds, which needs no line.
    if (state === 'failing') news(key, contentOf('degraded'))
    const headline = findSection('en', code)
    const section = cause && findSection('en', cause.code)
    const { at } = section ?? headline
    const detail = factsLine(en, [...(cause?.facts ?? []), ...facts])
    const fields = { finding, state, code, cause: cause?.code, section: at, detail }
    const remedy = section?.remedy || headline.remedy
    const message = en.sentences(headline.title, section?.title ?? '', remedy)
    log('finding-began', fields, LEVELS[STATES[state] as keyof typeof LEVELS], message)
  }

  const look = (): void => {
    const all = read()
    onState(all[0].state)
    const present = new Map<string, Finding>()
    for (const each of all) {
      let key = `finding ${each.finding}`
      while (present.has(key)) key += '+'
      if (STATES[each.state] in LEVELS) present.set(key, each)
    }
    for (const [key, { first, since, written }] of open) {
      if (present.get(key)?.isOver === false) continue
      open.delete(key)
      const durationSeconds = Math.round(toSeconds(clock.now() - since))
      const message = `${findSection('en', first.code).title}; ended after ${durationSeconds} s`
      const fields = { finding: first.finding, durationSeconds }
      if (written !== '') log('finding-ended', fields, 'info', message)
    }
    for (const key of said) if (!present.has(key) && said.delete(key)) news.over(key)
    for (const [key, each] of present) if (!each.isOver) begin(key, each)
  }

  const lookAndWait = (): void => {
    look()
    next = clock.setTimer(lookAndWait, SECOND)
  }
  lookAndWait()
  return { look, end: () => next?.cancel() }
}

function lostShare({ facts }: Finding): number {
  const value = facts.find(([name]) => name === 'lostCalls')?.[1]
  return typeof value === 'object' && 'part' in value ? value.part / value.of : 0
}
