// How an error of the proxy itself is written (RFC 9457); its codes are in `causes`.
export { DETAILS, DOCUMENTATION, problemBytes, writeProblem } from './problem.ts'
export { PROBLEMS, REFUSALS, type ProblemCode, type Refusal } from '../causes.ts'
