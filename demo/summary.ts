import type { SimulatorState } from '../simulator/index.ts'
import type { Screen, Style } from './screen.ts'
import { seconds, whole, type StoryCounts } from './story.ts'
import type { Tally } from './tally.ts'

interface SummaryInput {
  readonly tally: Tally
  readonly counts: StoryCounts
  readonly state: SimulatorState
  /** Tokens of iSales that reached CTI-OBS. */
  readonly leaked: number
  /** Milliseconds. */
  readonly ran: number
}

/** True when every business call was answered with success, none was lost or done twice, and no token got out. */
export function succeeded({
  tally,
  state,
  leaked,
}: Pick<SummaryInput, 'tally' | 'state' | 'leaked'>): boolean {
  return (
    tally.requests > 0 &&
    tally.failed === 0 &&
    leaked === 0 &&
    state.duplicates === 0 &&
    state.callnos === state.results
  )
}

export function printSummary(screen: Screen, input: SummaryInput): void {
  const { paint, print } = screen
  const { tally, counts, state } = input
  const row = (label: string, figure: string, rest: string, style: Style = 'bold'): void => {
    print(`  ${paint('dim', label.padEnd(12))}${paint(style, figure.padStart(9))}   ${rest}`)
  }
  const good = succeeded(input)
  print('')
  print(
    good
      ? `  ${paint('green', '✔ CTI-OBS never noticed.')} ${paint('dim', `It ran ${seconds(input.ran)}.`)}`
      : `  ${paint('red', '✘ Not every call went well.')} ${paint('dim', `It ran ${seconds(input.ran)}.`)}`,
  )
  print('')
  const failed = tally.failed === 0 ? 'all answered with success' : `${tally.failed} failed`
  row('requests', tally.requests.toLocaleString('en'), failed, tally.failed === 0 ? 'green' : 'red')
  row('renewals', String(counts.renewals), 'ahead of the end of the token, nobody waited')
  const healed =
    counts.healed === 0 ? 'of revoked tokens' : `healed, the slowest in ${whole(counts.healing)} ms`
  row('revocations', `${counts.healed}/${counts.revocations}`, healed)
  row('logins', String(counts.logins), 'at iSales')
  const seen =
    input.leaked === 0 ? 'and never a token of iSales' : `and ${input.leaked} tokens of iSales`
  const own = `held by CTI-OBS, ${counts.clientRefreshes} of them by refresh, ${seen}`
  row('tickets', String(counts.clientLogins + counts.clientRefreshes), own)
  const twice = state.duplicates === 0 ? 'none' : String(state.duplicates)
  const written = `results written for the numbers handed out, ${twice} twice`
  row('work', `${state.results}/${state.callnos}`, written)
  const p99 = `p50, ${tally.percentile(0.99).toFixed(1)} ms p99, with proxy, iSales and client in one process`
  row('latency', `${tally.percentile(0.5).toFixed(1)} ms`, p99)
  print('')
}
