import { cpus, release, totalmem } from 'node:os'
import type { SimulatorState } from '../../simulator/index.ts'
import type { Call } from '../../test/simulation/wire.ts'
import { nameOf, type Plan } from '../../test/simulation/plan.ts'
import type { Sample } from './world.ts'

export interface Run {
  readonly plan: Plan
  readonly calls: readonly Pick<Call, 'status'>[]
  readonly state: SimulatorState
  /** Number of log lines of every event. */
  readonly events: ReadonlyMap<string, number>
  readonly samples: readonly Sample[]
  /** Empty if the run passed. */
  readonly findings: readonly string[]
}

/** Limits for processes that are restarted occasionally: a young process is smaller. */
const MAX_GROWTH: Sample = { rssMb: 64, handles: 24 }

/** Returns the problems with memory and open files, as one sentence each. */
export function judgeGrowth(samples: readonly Sample[]): string[] {
  const { rssMb, handles } = growthOf(samples)
  // A value that is not a number also fails.
  return [
    ...(rssMb <= MAX_GROWTH.rssMb ? [] : ['memory grows']),
    ...(handles <= MAX_GROWTH.handles ? [] : ['open handles grow']),
  ]
}

/** Returns the median of the last fifth minus the median of the second fifth, which is past the start. */
function growthOf(samples: readonly Sample[]): Sample {
  const fifth = Math.floor(samples.length / 5)
  const grown = (of: keyof Sample): number =>
    median(samples.slice(samples.length - fifth).map((sample) => sample[of])) -
    median(samples.slice(fifth, 2 * fifth).map((sample) => sample[of]))
  return { rssMb: grown('rssMb'), handles: grown('handles') }
}

/** NaN for an empty list. */
function median(values: readonly number[]): number {
  const sorted = values
    .filter((value) => !Number.isNaN(value))
    .toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

/** Formats the report as Markdown for a terminal and docs/dev/reliability.md. */
export function report({ plan, calls, state, events, samples, findings }: Run): string {
  const logged = (event: string): number => events.get(event) ?? 0
  const signed = (value: number): string => `${value >= 0 ? '+' : ''}${value.toFixed(1)}`
  const { rssMb, handles } = growthOf(samples)
  const rows: readonly (readonly [string, number | string])[] = [
    ['calls', calls.length],
    ['succeeded', calls.filter(({ status }) => status === 200).length],
    ['logins, those of rivals included', state.logins],
    ['refreshes', state.refreshes],
    ['logins refused (a wrong password, on purpose)', state.loginsRejected],
    ['tokens taken from another replica', logged('token-adopted')],
    ['tokens found rejected', logged('token-rejected')],
    [`growth of memory, MB (at most ${MAX_GROWTH.rssMb})`, signed(rssMb)],
    [`growth of open handles (at most ${MAX_GROWTH.handles})`, signed(handles)],
    ['**findings**', findings.length],
  ]
  const names = plan.acts.map(nameOf)
  const acts = [...new Set(names)].map(
    (name) => `${name} ${names.filter((one) => one === name).length}`,
  )
  const { seed, duration, replicas } = plan
  return [
    `${duration / 60_000} min, seed ${seed}, ${replicas} replicas, Node ${process.version}, ${machine()}`,
    '',
    `Acts: ${acts.toSorted().join(', ')}`,
    '',
    '| | count |',
    '| --- | ---: |',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
    ...findings,
    findings.length === 0 ? 'passed' : 'FAILED',
    '',
  ].join('\n')
}

function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} cores of ${cpus()[0]?.model ?? '?'}, ${memory} GiB, Linux ${release()}`
}
