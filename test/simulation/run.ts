// Runs one plan in a simulated world.
import { createJudge, type Counts, type Finding } from './judge.ts'
import { runUntil, time } from './patches.ts'
import type { Plan } from './plan.ts'
import { judgeRequest, play } from './play.ts'
import { openWorld } from './world.ts'

export interface Outcome {
  readonly findings: readonly Finding[]
  /** Of all that was sent and logged. */
  readonly hash: string
  readonly counts: Counts
}

/** CLIENT_DEADLINE, and what the network and a body may add. */
const DEADLINE = 2800 + 400
export function runPlan(plan: Plan, trace?: (line: string) => void): Outcome {
  const findings: Finding[] = []
  const onFinding = (finding: Finding): void => {
    findings.push(finding)
    trace?.(`FINDING ${finding.judgement}: ${finding.text} at ${finding.at / 1000}`)
  }
  const judge = createJudge({
    deadline: DEADLINE,
    replicas: plan.replicas,
    apart: plan.replicas > 1 && !plan.shared,
    onFinding,
  })
  const simulated = openWorld({
    ...plan,
    trace,
    onRequest: (seen, password) => judgeRequest(judge, { seen, to: time(), password }, plan),
    onExecution: (callId) => judge.executed(callId, time()),
    onFinding: (judgement, text) => judge.find(judgement, time(), text),
  })
  try {
    for (const { until, end } of play(plan, simulated.world, judge)) runUntil(until, end)
  } catch (error) {
    judge.find(6, time(), error instanceof Error ? (error.stack ?? '') : String(error))
  } finally {
    simulated.close()
  }
  return { findings, hash: simulated.digest(), counts: judge.counts }
}
