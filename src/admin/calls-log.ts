import { SECOND, type Timer } from '../clock.ts'
import type { LogFields } from '../log/index.ts'
import { en, explain } from '../words/index.ts'
import type { CallCounts } from './call-counts.ts'
import { failingOf, type CallsView } from './failing.ts'
import type { RecordOptions } from './sources.ts'

type UpstreamFields = Pick<LogFields, 'code' | 'cause' | 'share'>

/** Logs when calls begin to fail, when most of them do, when the cause changes, and when none has failed for a minute. */
export function createCallsLog(
  { clock, log, places }: Pick<RecordOptions, 'clock' | 'log' | 'places'>,
  view: () => CallsView,
) {
  let timer: Timer | undefined
  /** The present period of failing calls. */
  let episode: { since: number; isBad: boolean; fields: UpstreamFields } | undefined
  /** Causes that were logged in it: timeouts and resets may take turns all night. */
  const said = new Set<string>()

  const end = (lastFailedAt: number): void => {
    if (episode === undefined) return
    const durationSeconds = Math.round((lastFailedAt - episode.since) / SECOND)
    log('upstream-recovered', { ...episode.fields, durationSeconds })
    said.clear()
    episode = undefined
  }

  const check = (): void => {
    const calls = view()
    const isOver = calls.minute.failed === 0
    timer = isOver ? undefined : clock.setTimer(check, SECOND)
    if (isOver) return end(calls.lastFailedAt ?? clock.now())
    const failing = failingOf(withToken(calls), clock.now())
    if (failing === undefined || failing.kind === 'recovering') return
    const { kind, main: code, failed, total } = failing
    const why = calls.causeOf(code)
    const key = `${code} ${why.cause.code}`
    const isBad = kind !== 'some'
    const isWorse = isBad && episode?.isBad === false
    if (!isWorse && said.has(key)) return
    said.add(key)
    const fields = { code, cause: why.cause.code, share: Math.round((failed / total) * 100) / 100 }
    episode = { since: episode?.since ?? clock.now(), isBad, fields }
    const { what, todo } = explain(en, places, why)
    const detail = en.sentences(what, todo)
    log('upstream-failing', { ...fields, detail }, isBad ? 'error' : 'warn')
  }

  return {
    /** A call failed. */
    begin(): void {
      if (timer === undefined) check()
    },
  }
}

/** Without the calls for which there was no token: token requests have lines of their own in the log. */
function withToken(view: CallsView): CallsView {
  const without = (counts: CallCounts): CallCounts => {
    const { 'no-token': missing = 0, ...byFailure } = counts.byFailure
    return { ...counts, failed: counts.failed - missing, byFailure }
  }
  const { latest, recent, minute } = view
  return {
    ...view,
    latest: without(latest),
    recent: without(recent),
    minute: without(minute),
  }
}
