import type { CallFailure } from './calls.ts'
import type { Text } from './texts.ts'

/**
 * What CTI-OBS gets, in one word; docs/metrics.md explains each. With the tone of the status page: `bad` means that
 * somebody has to act, `quiet` that there is nothing to judge yet.
 */
export const STATES = {
  starting: 'quiet',
  healthy: 'good',
  degraded: 'warning',
  failing: 'bad',
  unauthenticated: 'bad',
  refused: 'bad',
  conflict: 'bad',
  draining: 'quiet',
} as const
export type Health = keyof typeof STATES

/** One thing to be said. A name in braces stands for a value, in each of the texts. */
export interface FindingText {
  readonly state: Health
  readonly title: Text
  readonly reason: Text
  /** What to do. Absent: nothing, or `state.ts` adds what depends on the case. */
  readonly remedy?: Text
  /** The section of docs/operations.md, which has the name of an alert. */
  readonly runbook?: string
}

const HEALTHY = { state: 'healthy', title: ['Healthy', '正常'] } as const
const REFUSED = {
  state: 'refused',
  title: ['Credentials refused', '用户名或密码被拒绝'],
  runbook: 'IsalesProxyAccountRejected',
} as const
const UNAUTHENTICATED = {
  state: 'unauthenticated',
  title: ['Not authenticated', '未登录'],
} as const
const FAILING = {
  state: 'failing',
  title: ['Calls fail', '调用失败'],
  runbook: 'IsalesProxyCallsFailing',
} as const
const CLOCK = {
  state: 'degraded',
  title: ['The clock is wrong', '系统时钟不准'],
  remedy: [
    'Set the clock and keep it right (timedatectl, chrony). With a wrong one certificates are refused, and the times in the log mislead.',
    '校准时钟并保持同步（timedatectl、chrony）。时钟不准时证书会被拒绝，日志中的时间也会误导人。',
  ],
} as const
const IN_MINUTE = [
  '{failed} of {total} calls failed in the last minute. {words}.',
  '最近一分钟 {total} 次调用中有 {failed} 次失败。{words}。',
] as const

/** What the headline and the findings say. */
export const FINDINGS = {
  everyCall: {
    ...HEALTHY,
    reason: [
      'Every call of the last minute reached iSales with a valid token.',
      '最近一分钟的所有调用都携带有效令牌到达 iSales。',
    ],
  },
  noCall: {
    ...HEALTHY,
    reason: [
      'The token is valid. There was no call in the last minute.',
      '令牌有效。最近一分钟没有调用。',
    ],
  },
  idle: {
    state: 'healthy',
    title: ['Idle', '空闲'],
    reason: [
      'No call came for TOKEN_IDLE_AFTER, and the next one logs in first.',
      '超过 TOKEN_IDLE_AFTER 没有调用；下一次调用会先登录。',
    ],
  },
  draining: {
    state: 'draining',
    title: ['Shutting down', '正在停止'],
    reason: [
      'Calls in flight are finished; new connections are refused.',
      '正在完成进行中的调用；不再接受新连接。',
    ],
  },
  starting: {
    state: 'starting',
    title: ['Starting', '正在启动'],
    reason: ['The first login is in progress.', '正在进行第一次登录。'],
  },

  credentials: {
    ...REFUSED,
    reason: [
      'iSales refuses the user or password. {service}',
      'iSales 拒绝了用户名或密码。{service}',
    ],
  },
  request: {
    ...REFUSED,
    reason: [
      'iSales refuses the login with {status}: by its documents the request or its values are wrong. {service}',
      'iSales 以 {status} 拒绝登录：按其文档，请求或参数值有误。{service}',
    ],
  },
  account: {
    ...REFUSED,
    reason: [
      'iSales refuses the login with 401: the service is not purchased, or the account is not in order. {service}',
      'iSales 以 401 拒绝登录：服务未购买，或账号状态异常。{service}',
    ],
  },
  conflict: {
    state: 'conflict',
    title: ['Somebody else uses this login', '有其他程序使用同一账号'],
    reason: [
      'iSales rejects our tokens early, again and again. {service}',
      'iSales 反复提前拒绝我们的令牌。{service}',
    ],
    remedy: [
      'Give each instance a user of its own, or run only one.',
      '给每个实例单独的用户，或只运行一个实例。',
    ],
    runbook: 'IsalesProxySessionConflict',
  },

  rejected: {
    state: 'failing',
    title: ['The token is rejected', '令牌被拒绝'],
    reason: [
      'Logins succeed, but iSales rejects every call with the token.',
      '登录成功，但 iSales 拒绝携带该令牌的所有调用。',
    ],
    remedy: [
      'Check that ISALES_TOKEN_HEADERS, ISALES_TOKEN_SCHEME and ISALES_TOKEN_FIELD suit this iSales (isales-auth-proxy discover finds them), and that the account may make these calls.',
      '检查 ISALES_TOKEN_HEADERS、ISALES_TOKEN_SCHEME 和 ISALES_TOKEN_FIELD 是否适合这个 iSales（isales-auth-proxy discover 可以找出），以及该账号是否有权进行这些调用。',
    ],
    runbook: 'IsalesProxyCallsRefused',
  },
  waiting: {
    ...UNAUTHENTICATED,
    reason: ['Calls wait for a new token.', '调用正在等待新令牌。'],
  },
  loginsFail: {
    ...UNAUTHENTICATED,
    reason: ['Logins fail. {service}', '登录失败。{service}'],
    remedy: [
      'Restore the connection to iSales; the login is retried until it succeeds.',
      '恢复到 iSales 的连接；登录会一直重试，直到成功。',
    ],
    runbook: 'IsalesProxyNotAuthenticated',
  },
  renewal: {
    state: 'degraded',
    title: ['Renewal is failing', '令牌续期失败'],
    reason: ['Renewals fail. The current token is still used.', '续期失败。当前令牌仍在使用。'],
    remedy: [
      'Restore the connection to iSales; the renewal is retried until it succeeds.',
      '恢复到 iSales 的连接；续期会一直重试，直到成功。',
    ],
    runbook: 'IsalesProxyAuthenticationFailing',
  },

  outage: {
    ...FAILING,
    reason: [
      'No call has succeeded for {time}: all {failed} failed. {words}.',
      '已有 {time}没有一次调用成功：{failed} 次全部失败。{words}。',
    ],
  },
  mostOfRecent: {
    ...FAILING,
    reason: [
      '{failed} of {total} calls failed in the last 20 seconds. {words}.',
      '最近 20 秒内 {total} 次调用中有 {failed} 次失败。{words}。',
    ],
  },
  mostOfMinute: { ...FAILING, reason: IN_MINUTE },
  someOfMinute: {
    ...FAILING,
    state: 'degraded',
    title: ['Some calls fail', '部分调用失败'],
    reason: IN_MINUTE,
  },
  recovering: {
    state: 'degraded',
    title: ['Recovering', '正在恢复'],
    reason: [
      'No call has failed for {time}, and {succeeded} have succeeded since. Before that, in the last minute, {failed} failed. {words}.',
      '{time}内没有调用失败，其间成功 {succeeded} 次。此前一分钟内失败 {failed} 次。{words}。',
    ],
  },
  someRefused: {
    state: 'degraded',
    title: ['iSales refuses some calls', 'iSales 拒绝部分调用'],
    reason: [
      '{refused} of {total} calls in the last minute got 401 or 403 from iSales. Others succeed with the same token. Refused in the last hour: {paths}.',
      '最近一分钟 {total} 次调用中有 {refused} 次得到 iSales 的 401 或 403；其他调用用同一令牌成功。最近一小时被拒绝的路径：{paths}。',
    ],
    remedy: [
      'The account may not make these calls: have iSales permit them to this user, or let CTI-OBS leave them.',
      '该账号无权进行这些调用：请在 iSales 中给该用户授权，或让 CTI-OBS 不再调用。',
    ],
    runbook: 'IsalesProxyCallsRefused',
  },
  pages: {
    state: 'degraded',
    title: ['A web page refuses calls', '调用被网页拒绝'],
    reason: [
      '{pages} calls in the last minute got 401 or 403 with a web page. iSales sends none: a gateway or firewall before it refuses them. Paths of the last hour: {paths}.',
      '最近一分钟有 {pages} 次调用得到带网页的 401 或 403。iSales 不返回网页：是它前面的网关或防火墙拒绝了调用。最近一小时的路径：{paths}。',
    ],
    remedy: [
      'Ask who runs the gateway, firewall or egress proxy on the route to iSales; a login of this proxy cures nothing.',
      '请联系通往 iSales 的网关、防火墙或出口代理的管理员；本代理重新登录无济于事。',
    ],
    runbook: 'IsalesProxyCallsRefused',
  },
  slow: {
    state: 'degraded',
    title: ['iSales is slow', 'iSales 响应缓慢'],
    reason: [
      '{slow} of {total} calls in the last minute took iSales more than 2 s. CTI-OBS gives up after 3 s.',
      '最近一分钟 {total} 次调用中有 {slow} 次 iSales 用时超过 2 秒。CTI-OBS 在 3 秒后放弃。',
    ],
    remedy: [
      'Ask the operator of iSales. Until then raise CLIENT_DEADLINE and the timeout of CTI-OBS together.',
      '请联系 iSales 的管理员。在此之前，可同时调大 CLIENT_DEADLINE 和 CTI-OBS 的 timeout。',
    ],
    runbook: 'IsalesProxyLatency',
  },
  clockAhead: {
    ...CLOCK,
    reason: [
      'The clock of this machine is {time} ahead of that of iSales.',
      '本机时钟比 iSales 快 {time}。',
    ],
  },
  clockBehind: {
    ...CLOCK,
    reason: [
      'The clock of this machine is {time} behind that of iSales.',
      '本机时钟比 iSales 慢 {time}。',
    ],
  },
  clockTls: {
    ...CLOCK,
    reason: [
      'The certificate of iSales is not valid yet by the clock of this machine.',
      '按本机时钟，iSales 的证书尚未生效。',
    ],
  },
  mistakes: {
    state: 'healthy',
    title: ['CTI-OBS sends what is not forwarded', 'CTI-OBS 发送了不会转发的请求'],
    reason: [
      'In the last minute the proxy refused {count} requests: {codes}. They are not among the calls below.',
      '最近一分钟代理拒绝了 {count} 个请求：{codes}。它们不计入下面的调用。',
    ],
    remedy: [
      'docs/errors.md says of each code what to correct; often obsUrl ends with a slash, or names a host that is not in ALLOWED_HOSTS.',
      'docs/errors.zh-CN.md 说明每个错误码如何更正；常见的是 obsUrl 以斜杠结尾，或其主机名不在 ALLOWED_HOSTS 中。',
    ],
  },
} as const satisfies Readonly<Record<string, FindingText>>

/** Parts of the above. */
export const PARTS = {
  correctFile: [
    'Correct the user or password, which is read from {file}: a changed one is tried within seconds.',
    '更正用户名或密码（密码读自 {file}）：修改后几秒内就会被尝试。',
  ],
  correctEnvironment: [
    'Correct ISALES_USER and ISALES_PASSWORD, then restart the proxy: they come from its environment.',
    '更正 ISALES_USER 和 ISALES_PASSWORD，然后重启代理：它们来自环境变量。',
  ],
  correctAccountRenew: [
    'Have the operator of iSales put the account in order, then run STATE_DIR={directory} isales-auth-proxy renew.',
    '请 iSales 的管理员恢复账号，然后运行 STATE_DIR={directory} isales-auth-proxy renew。',
  ],
  correctAccountSignal: [
    'Have the operator of iSales put the account in order, then send SIGHUP to the proxy.',
    '请 iSales 的管理员恢复账号，然后向代理发送 SIGHUP。',
  ],
  tokenServes: ['The current token is still used.', '当前令牌仍在使用。'],
  noService: ['Calls get 503 until a login succeeds.', '登录成功之前，调用得到 503。'],
} as const satisfies Readonly<Record<string, Text>>

const NETWORK: Text = [
  'Check the network to ISALES_URL (DNS, firewall, HTTPS_PROXY), then ask the operator of iSales.',
  '检查到 ISALES_URL 的网络（DNS、防火墙、HTTPS_PROXY），然后联系 iSales 的管理员。',
]

export const CALL_FAILURE_TEXTS: Readonly<
  Record<CallFailure, { readonly words: Text; readonly remedy: Text }>
> = {
  'no-token': {
    words: ['No token came in time', '令牌没有及时取得'],
    remedy: ['Find out why logins fail.', '查明登录为什么失败。'],
  },
  overloaded: {
    words: ['Too many were in flight or waiting', '进行中或等待中的调用过多'],
    remedy: [
      'Look for a slow iSales before raising MAX_IN_FLIGHT.',
      '先查 iSales 是否缓慢，再考虑调大 MAX_IN_FLIGHT。',
    ],
  },
  'out-of-time': {
    words: ['No connection to iSales was free in time', '没有及时得到到 iSales 的空闲连接'],
    remedy: [
      'Look for a slow iSales before raising ISALES_MAX_CONNECTIONS.',
      '先查 iSales 是否缓慢，再考虑调大 ISALES_MAX_CONNECTIONS。',
    ],
  },
  'upstream-unreachable': {
    words: ['iSales cannot be reached', '无法连接 iSales'],
    remedy: NETWORK,
  },
  'upstream-tls': {
    words: ['There is no trusted TLS connection to iSales', '与 iSales 之间没有可信的 TLS 连接'],
    remedy: [
      'Check the certificate of iSales, ISALES_CA_FILE, ISALES_CLIENT_CERT_FILE, and the clock of this machine.',
      '检查 iSales 的证书、ISALES_CA_FILE、ISALES_CLIENT_CERT_FILE 和本机时钟。',
    ],
  },
  'upstream-broken': {
    words: ['Responses of iSales are cut off or malformed', 'iSales 的响应中断或格式错误'],
    remedy: NETWORK,
  },
  'upstream-timeout': {
    words: ['iSales does not respond in time', 'iSales 没有及时响应'],
    remedy: [
      'Ask the operator of iSales. CTI-OBS and CLIENT_DEADLINE may be given more time together.',
      '请联系 iSales 的管理员。可同时给 CTI-OBS 和 CLIENT_DEADLINE 更多时间。',
    ],
  },
  internal: {
    words: ['The proxy itself failed', '代理自身出错'],
    remedy: [
      'Report it, with the lines "unexpected" of the log.',
      '请报告此问题，并附上日志中的 unexpected 行。',
    ],
  },
  'isales-error': {
    words: ['iSales responds 5xx', 'iSales 返回 5xx'],
    remedy: [
      'A 500 is a business failure: check the parameters that CTI-OBS sends, then ask the operator of iSales.',
      '500 表示业务失败：检查 CTI-OBS 发送的参数，然后联系 iSales 的管理员。',
    ],
  },
}
