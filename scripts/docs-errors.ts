import { refusals, WORDS } from '../src/words/index.ts'
import {
  PROBLEM_CODES,
  PROBLEMS,
  REFUSAL_REASONS,
  REFUSALS,
  type ProblemCode,
} from '../src/http/problem.ts'
import { CAUSES_ZH, EXPLANATIONS_ZH } from './docs-errors-zh.ts'
import { markdownTable } from './markdown.ts'

interface Explanation {
  readonly meaning: string
  readonly cause:
    | 'CTI-OBS'
    | 'iSales, or the network to it'
    | 'This proxy'
    | 'Load'
    | 'The configuration'
  readonly remedy: string
}

/** What each code means; the compiler demands one for each. */
const EXPLANATIONS: Readonly<Record<ProblemCode, Explanation>> = {
  'no-token': {
    meaning:
      'No token came in nine tenths of `CLIENT_DEADLINE`: logins to iSales fail or take too long.',
    cause: 'iSales, or the network to it',
    remedy:
      'CTI-OBS may repeat the call after `Retry-After`. Find out why logins fail: [IsalesProxyNotAuthenticated](operations.md#isalesproxynotauthenticated), [IsalesProxyAccountRejected](operations.md#isalesproxyaccountrejected) when iSales refuses the password.',
  },
  overloaded: {
    meaning:
      'Too many requests or connections are open, or the bodies of requests take more than 32 MiB together.',
    cause: 'Load',
    remedy: 'CTI-OBS may repeat the call. Look for a slow iSales before you raise `MAX_IN_FLIGHT`.',
  },
  'shutting-down': {
    meaning: 'The process is about to end, and the call still waited for a token.',
    cause: 'This proxy',
    remedy: 'CTI-OBS may repeat the call, on another connection.',
  },
  'out-of-time': {
    meaning: '`CLIENT_DEADLINE` ended before a connection to iSales was free.',
    cause: 'Load',
    remedy: 'CTI-OBS may repeat the call. Look for a slow iSales.',
  },
  'upstream-unreachable': {
    meaning:
      'No connection to iSales was opened: DNS, TCP, or the egress proxy. `isales_proxy_upstream_connect_failures_total` says which.',
    cause: 'iSales, or the network to it',
    remedy:
      'CTI-OBS may repeat the call. Check the network to `ISALES_URL` (DNS, firewall, `HTTPS_PROXY`), then ask the operator of iSales.',
  },
  'upstream-tls': {
    meaning: 'TLS with iSales failed: its certificate is not trusted, or ours is not accepted.',
    cause: 'iSales, or the network to it',
    remedy:
      'Check the certificate of iSales, `ISALES_CA_FILE` and `ISALES_CLIENT_CERT_FILE`. `check --live` names the cause.',
  },
  'upstream-broken': {
    meaning: 'The connection broke after the request was sent, or the response is not valid HTTP.',
    cause: 'iSales, or the network to it',
    remedy:
      'iSales may have executed the call: look there before it is repeated by hand. If it comes often, ask the operator of iSales, or of what stands before it.',
  },
  'upstream-timeout': {
    meaning: '`CLIENT_DEADLINE` ended after the request was sent.',
    cause: 'iSales, or the network to it',
    remedy:
      'iSales may have executed the call: look there before it is repeated by hand. Ask the operator of iSales; `CLIENT_DEADLINE` and the `timeout` of CTI-OBS may be raised together.',
  },
  internal: {
    meaning: 'An error of the program itself.',
    cause: 'This proxy',
    remedy: 'Report it with the line `unexpected` of the log.',
  },
  'bad-request': {
    meaning: 'It is not HTTP/1.1, or in a form that hides one request in another.',
    cause: 'CTI-OBS',
    remedy:
      'Correct the client, or what stands between it and the proxy; `detail` says what is wrong.',
  },
  'not-allowed': {
    meaning: 'The path is not one that is forwarded, or a browser sent the request.',
    cause: 'CTI-OBS',
    remedy:
      'An `obsUrl` that ends with a slash: take the slash off. A path of your iSales: add its prefix to `ALLOWED_PATHS`. A login: write `loginUri` as `ISALES_LOGIN_PATH`.',
  },
  'method-not-allowed': {
    meaning: 'CONNECT and TRACE are not forwarded.',
    cause: 'CTI-OBS',
    remedy: 'The proxy is no egress proxy: do not set it as `HTTP_PROXY` of the client.',
  },
  'not-logged-in': {
    meaning:
      'With `OBS_USER` set, a call needs a ticket of this proxy, and this one has none that is valid. The body has the shape that iSales publishes, not that of this page.',
    cause: 'CTI-OBS',
    remedy:
      'CTI-OBS logs in again by itself. If it stays so: `OBS_USER` and `OBS_PASSWORD` differ from what CTI-OBS has, or between replicas.',
  },
  'request-timeout': {
    meaning:
      'The header did not come within 15 s, or nothing of the body for 5 s, or not all of it before `CLIENT_DEADLINE`.',
    cause: 'CTI-OBS',
    remedy: 'Look for a client that hangs, or a network that loses packets.',
  },
  'too-large': {
    meaning: 'The body is longer than `MAX_BODY_SIZE`.',
    cause: 'CTI-OBS',
    remedy: 'Raise `MAX_BODY_SIZE` if such a call is meant.',
  },
  'expectation-failed': {
    meaning: '`Expect` names something else than `100-continue`.',
    cause: 'CTI-OBS',
    remedy: 'Correct the client.',
  },
  misdirected: {
    meaning:
      'The request is for another host or scheme than this proxy: protection against DNS rebinding.',
    cause: 'CTI-OBS',
    remedy: 'Add the host of `obsUrl` to `ALLOWED_HOSTS`.',
  },
  'headers-too-large': {
    meaning: 'The headers have more than 16 KiB, or are more than 200.',
    cause: 'CTI-OBS',
    remedy: 'Correct the client.',
  },
  'loop-detected': {
    meaning: '`Via` of the request names this very process: `ISALES_URL` leads back to the proxy.',
    cause: 'The configuration',
    remedy: 'Correct `ISALES_URL`; `isales-auth-proxy check` warns of it.',
  },
  'not-implemented': {
    meaning: 'The transfer coding is not `chunked`.',
    cause: 'CTI-OBS',
    remedy: 'Correct the client.',
  },
}

/** docs/errors.md. */
export function errorsPage(): string {
  return `<!-- Written by \`npm run docs\` from src/http/problem.ts, src/words/english-only.ts and scripts/docs-errors.ts. Do not edit. -->
# Errors

[中文](errors.zh-CN.md)

What the proxy itself responds when it does not relay a response of iSales: \`application/problem+json\` (RFC 9457).

${EXAMPLE}

\`type\` is the URL of the section below. \`code\` is the label of \`isales_proxy_request_errors_total\`. \`sent\` is \`no\` when iSales has not executed the request, and \`unknown\` when it may have.
\`detail\` is there when the proxy refused the request, and comes from the lists below; the reason in front of it is the label of \`isales_proxy_requests_refused_total\` and stands in the log
(\`client-refused\`). \`requestId\` is also in \`X-Request-Id\` and in the log. Nothing of iSales' text is in it. Codes and reasons are stable; titles and details may change.

${overview(['code', 'status', 'title', 'sent', 'caused by'], (code) => [WORDS.en.problems[code], EXPLANATIONS[code].cause])}

${PROBLEM_CODES.map((code) => {
  const { meaning, remedy } = EXPLANATIONS[code]
  return `## ${code}

${PROBLEMS[code].status} ${WORDS.en.problems[code]}. ${meaning}

**Do.** ${remedy}
${reasonsOf(code, ['Reason', 'Reasons'], ': ')}`
}).join('\n')}`
}

/** docs/errors.zh-CN.md. */
export function errorsPageInChinese(): string {
  return `<!-- Written by \`npm run docs\` from src/http/problem.ts and scripts/docs-errors-zh.ts. Do not edit. -->
# 错误

[English](errors.md)

代理没有 iSales 的响应可转发时自己返回的内容：\`application/problem+json\`（RFC 9457）。

${EXAMPLE}

\`type\` 是下面各节英文版的 URL。\`code\` 是 \`isales_proxy_request_errors_total\` 的标签。\`sent\` 为 \`no\` 表示 iSales 没有执行该请求，为 \`unknown\` 表示可能已经执行。
代理拒绝请求时才有 \`detail\`，其英文原文列在下面各节；它前面的原因是 \`isales_proxy_requests_refused_total\` 的标签，也在日志中
（\`client-refused\`）。\`requestId\` 也在 \`X-Request-Id\` 和日志中。其中没有 iSales 的任何文字。错误码和原因保持不变；标题和 \`detail\` 可能变化。

${overview(['错误码', '状态码', '标题', 'sent', '原因在于'], (code) => [WORDS.zh.problems[code], CAUSES_ZH[EXPLANATIONS[code].cause]])}

${PROBLEM_CODES.map((code) => {
  const { meaning, remedy } = EXPLANATIONS_ZH[code]
  return `## ${code}

${PROBLEMS[code].status} ${WORDS.zh.problems[code]}。${meaning}

**处理。** ${remedy}
${reasonsOf(code, ['具体原因', '具体原因'], '：')}`
}).join('\n')}`
}

const EXAMPLE = `\`\`\`json
{"type":"https://.../docs/errors.md#not-allowed","title":"${WORDS.en.problems['not-allowed']}","status":403,"detail":"${refusals['double-slash']}","code":"not-allowed","sent":"no","requestId":"8c1f5ab0c3d2-1a"}
\`\`\``

function overview(head: string[], describe: (code: ProblemCode) => readonly [string, string]) {
  const rows = PROBLEM_CODES.map((code) => {
    const { status, sent } = PROBLEMS[code]
    const [title, cause] = describe(code)
    return [`[\`${code}\`](#${code})`, String(status), title, sent, cause]
  })
  return markdownTable(head, rows)
}

function reasonsOf(
  code: ProblemCode,
  [one, several]: readonly [string, string],
  colon: string,
): string {
  const reasons = REFUSAL_REASONS.filter((reason) => REFUSALS[reason] === code).map(
    (reason) => `\`${reason}\`: ${refusals[reason]}.`,
  )
  if (reasons.length === 0) return ''
  return reasons.length === 1
    ? `\n${one}${colon}${reasons[0]}\n`
    : `\n${several}${colon.trim()}\n\n- ${reasons.join('\n- ')}\n`
}
