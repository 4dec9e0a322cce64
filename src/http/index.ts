// The errors that the proxy itself responds with: the closed sets of codes and of refusals, and how one is written
// (RFC 9457).
export {
  problemBytes,
  PROBLEM_CODES,
  PROBLEMS,
  REFUSAL_REASONS,
  REFUSALS,
  writeProblem,
  type ProblemCode,
  type Refusal,
} from './problem.ts'
