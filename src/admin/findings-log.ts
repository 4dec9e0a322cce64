import { SECOND, type Clock, type Timer } from '../clock.ts'
import type { Log } from '../log/index.ts'
import { en, factsLine, sectionOf } from '../words/index.ts'
import { STATES, type Finding, type FindingName } from './judge.ts'

const LEVELS = { bad: 'error', warning: 'warn', quiet: 'info', good: 'info' } as const

/**
 * The log says what the page says: looks each second, and writes a line when a finding begins or ends. One that goes on
 * with another state or cause is written once for each: timeouts and resets may take turns all night.
 *
 * @returns what ends the looks.
 */
export function logFindings(clock: Clock, log: Log, read: () => readonly Finding[]): () => void {
  const open = new Map<FindingName, { readonly since: number; readonly said: Set<string> }>()

  let next: Timer | undefined
  const look = (): void => {
    const now = clock.now()
    const findings = read()
    for (const [finding, { since }] of open) {
      if (findings.some((each) => each.finding === finding)) continue
      open.delete(finding)
      log('finding-ended', { finding, durationSeconds: Math.round((now - since) / SECOND) })
    }
    for (const each of findings) {
      const { finding, state, code, why } = each
      const { said } = open.get(finding) ?? { said: new Set() }
      if (said.size === 0) open.set(finding, { since: now, said })
      const what = [state, code, why?.code].join(' ')
      if (said.has(what)) continue
      said.add(what)
      const section = sectionOf('en', why?.code ?? code).at
      const fields = {
        finding,
        state,
        code,
        cause: why?.code,
        section,
        detail: lineOfFinding(each),
      }
      log('finding-began', fields, LEVELS[STATES[state]])
    }
    next = clock.setTimer(look, SECOND)
  }
  look()
  return () => next?.cancel()
}

/** Headline, cause, cure, and the facts of both. */
function lineOfFinding({ code, facts, why }: Finding): string {
  const headline = sectionOf('en', code)
  const cause = why && sectionOf('en', why.code)
  const all = factsLine(en, [...(why?.facts ?? []), ...facts])
  return en.sentences(headline.title, cause?.title ?? '', cause?.todo || headline.todo, all)
}
