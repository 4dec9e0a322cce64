import { MINUTE, SECOND, type Clock, type Timer } from '../clock.ts'
import type { Log } from '../log/index.ts'
import { en, factsLine, sectionOf } from '../words/index.ts'
import { STATES, type Finding, type FindingName } from './judge.ts'

const LEVELS = { bad: 'error', warning: 'warn', quiet: 'info', good: 'info' } as const

/**
 * The log says what the page says: looks each second, and writes a line when a finding begins or ends, or has a state or a
 * cause that it did not have before. One that it had before is written once a minute: timeouts and resets may take turns all
 * night. Findings of one name, such as two files that cannot be read, are distinguished by their order.
 *
 * @returns what ends the looks.
 */
export function logFindings(clock: Clock, log: Log, read: () => readonly Finding[]): () => void {
  const open = new Map<string, Open>()
  let next: Timer | undefined
  const look = (): void => {
    const now = clock.now()
    const found = new Map<string, Finding>()
    for (const each of read()) {
      let key: string = each.finding
      while (found.has(key)) key += '+'
      found.set(key, each)
    }
    for (const [key, { finding, since }] of open) {
      if (found.has(key)) continue
      open.delete(key)
      log('finding-ended', { finding, durationSeconds: Math.round((now - since) / SECOND) })
    }
    for (const [key, each] of found) {
      const { finding, state, code, why } = each
      const of = open.get(key) ?? { finding, since: now, said: new Map(), last: '' }
      open.set(key, of)
      const what = [state, code, why?.code, fileOf(each)].join(' ')
      if (of.last === what || now - (of.said.get(what) ?? -Infinity) < MINUTE) continue
      of.said.set(what, now)
      of.last = what
      const section = sectionOf('en', why?.code ?? code).at
      const detail = lineOfFinding(each)
      const fields = { finding, state, code, cause: why?.code, section, detail }
      log('finding-began', fields, LEVELS[STATES[state]])
    }
    next = clock.setTimer(look, SECOND)
  }
  look()
  return () => next?.cancel()
}

interface Open {
  readonly finding: FindingName
  readonly since: number
  /** When each state and cause was last written. */
  readonly said: Map<string, number>
  last: string
}

function fileOf({ facts }: Finding): unknown {
  return facts.find(([name]) => name === 'setting')?.[1]
}

/** Headline, cause, cure, and the facts of both. */
function lineOfFinding({ code, facts, why }: Finding): string {
  const headline = sectionOf('en', code)
  const cause = why && sectionOf('en', why.code)
  const all = factsLine(en, [...(why?.facts ?? []), ...facts])
  return en.sentences(headline.title, cause?.title ?? '', cause?.todo || headline.todo, all)
}
