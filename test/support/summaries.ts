import { boolean, constantFrom, nat, option, record, type Arbitrary } from 'fast-check'
import { cause, HANDSHAKE_FAILURES } from '../../src/causes.ts'
import { PROBLEM_CODES, REFUSAL_REASONS } from '../../src/codes.ts'
import type { RequestSummary } from '../../src/request-summary.ts'

const CAUSES = ['connection-refused', 'closed', 'invalid', 'plain-http', 'disk-full'] as const
const FAILURES = CAUSES.map((code) => ({ cause: cause(code) }))

/** Every combination of members, also impossible ones. */
export const summaries: Arbitrary<RequestSummary> = record(
  {
    method: constantFrom('POST', 'POST', 'GET', 'HEAD', ''),
    target: constantFrom('/tasks', '/other?x=1', ''),
    requestId: constantFrom('', 'a-1'),
    status: constantFrom(0, 200, 200, 200, 204, 302, 400, 401, 403, 404, 429, 500, 502, 503, 599),
    handshake: option(constantFrom(...HANDSHAKE_FAILURES), { nil: undefined, freq: 9 }),
    login: constantFrom('login', 'refresh'),
    code: constantFrom(...PROBLEM_CODES),
    refusal: constantFrom(...REFUSAL_REASONS),
    failure: constantFrom(...FAILURES),
    left: constantFrom('request', 'response'),
    rejected: boolean(),
    page: boolean(),
    result: constantFrom('7', '107003'),
    headMs: nat(4000),
  },
  { requiredKeys: ['method', 'target', 'requestId', 'status'] },
)
