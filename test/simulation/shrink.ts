import type { Plan } from './plan.ts'
import type { Result } from './worker.ts'

/** Runs that it may take. */
const MAX_RUNS = 60

/** Leaves out acts, half of them first, as long as the first judgement that failed fails. */
export async function shrink(
  failed: Result,
  again: (plan: Plan) => Promise<Result | undefined>,
): Promise<Result> {
  const [first] = failed.findings
  let least = failed
  let runs = 0
  for (let size = Math.ceil(failed.plan.acts.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < least.plan.acts.length && runs < MAX_RUNS;) {
      runs += 1
      const acts = least.plan.acts.toSpliced(from, size)
      const result = await again({ ...least.plan, acts })
      const fails = result?.findings.some(({ judgement }) => judgement === first?.judgement)
      if (result !== undefined && fails === true) least = result
      else from += size
    }
  }
  return least
}
