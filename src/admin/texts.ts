// oxlint-disable max-lines -- one table of every text that people read on the status page
import type { ProblemCode } from '../http/problem.ts'
import type { BackoffState } from '../token/ask.ts'
import type { AuthFailureReason } from '../token/protocol.ts'
import type { StoreFailureReason } from '../sharing/events.ts'
import type { CallFailure } from './calls.ts'

/** In English and in Chinese; `{name}` stands for a value. */
export type Text = readonly [en: string, zh: string]

/** Of pages, of `?lang=`, and of `Accept-Language`, where `zh-CN` counts as `zh`. */
export const LANGUAGES = ['en', 'zh'] as const
export type Language = (typeof LANGUAGES)[number]

/** What the headline and the findings say. */
export const FINDINGS = {
  healthy: ['Healthy', '正常'],
  everyCall: [
    'Every call of the last minute reached iSales with a valid token.',
    '最近一分钟的所有调用都携带有效令牌到达 iSales。',
  ],
  noCall: [
    'The token is valid. There was no call in the last minute.',
    '令牌有效。最近一分钟没有调用。',
  ],
  idle: ['Idle', '空闲'],
  idleReason: [
    'No call came for TOKEN_IDLE_AFTER, and the next one logs in first.',
    '超过 TOKEN_IDLE_AFTER 没有调用；下一次调用会先登录。',
  ],
  draining: ['Shutting down', '正在停止'],
  drainingReason: [
    'Calls in flight are finished; new connections are refused.',
    '正在完成进行中的调用；不再接受新连接。',
  ],
  starting: ['Starting', '正在启动'],
  startingReason: ['The first login is in progress.', '正在进行第一次登录。'],

  credentials: ['Credentials refused', '用户名或密码被拒绝'],
  credentialsReason: [
    'iSales refuses the user or password. {service}',
    'iSales 拒绝了用户名或密码。{service}',
  ],
  accountReason: [
    'iSales refuses the login with 401: the service is not purchased, or the account is not in order. {service}',
    'iSales 以 401 拒绝登录：服务未购买，或账号状态异常。{service}',
  ],
  requestReason: [
    'iSales refuses the login with {status}: by its documents the request or its values are wrong. {service}',
    'iSales 以 {status} 拒绝登录：按其文档，请求或参数值有误。{service}',
  ],
  correctFile: [
    'Correct the user or password, which is read from {file}: a changed one is tried within seconds.',
    '更正用户名或密码（密码读自 {file}）：修改后几秒内就会被尝试。',
  ],
  correctEnvironment: [
    'Correct ISALES_USER and ISALES_PASSWORD, then restart the proxy: they come from its environment.',
    '更正 ISALES_USER 和 ISALES_PASSWORD，然后重启代理：它们来自环境变量。',
  ],
  correctAccount: [
    'Have the operator of iSales put the account in order, then run isales-auth-proxy renew.',
    '请 iSales 的管理员恢复账号，然后运行 isales-auth-proxy renew。',
  ],
  conflict: ['Somebody else uses this login', '有其他程序使用同一账号'],
  conflictReason: [
    'iSales rejects our tokens early, again and again. {service}',
    'iSales 反复提前拒绝我们的令牌。{service}',
  ],
  conflictRemedy: [
    'Give each instance a user of its own, or run only one.',
    '给每个实例单独的用户，或只运行一个实例。',
  ],
  tokenServes: ['The current token is still used.', '当前令牌仍在使用。'],
  noService: ['Calls get 503 until a login succeeds.', '登录成功之前，调用得到 503。'],

  rejected: ['The token is rejected', '令牌被拒绝'],
  rejectedReason: [
    'Logins succeed, but iSales rejects every call with the token.',
    '登录成功，但 iSales 拒绝携带该令牌的所有调用。',
  ],
  rejectedRemedy: [
    'Check that ISALES_TOKEN_HEADERS, ISALES_TOKEN_SCHEME and ISALES_TOKEN_FIELD suit this iSales (isales-auth-proxy discover finds them), and that the account may make these calls.',
    '检查 ISALES_TOKEN_HEADERS、ISALES_TOKEN_SCHEME 和 ISALES_TOKEN_FIELD 是否适合这个 iSales（isales-auth-proxy discover 可以找出），以及该账号是否有权进行这些调用。',
  ],
  unauthenticated: ['Not authenticated', '未登录'],
  waiting: ['Calls wait for a new token.', '调用正在等待新令牌。'],
  loginsFail: ['Logins fail. {service}', '登录失败。{service}'],
  loginsRemedy: [
    'Restore the connection to iSales; the login is retried until it succeeds.',
    '恢复到 iSales 的连接；登录会一直重试，直到成功。',
  ],
  renewal: ['Renewal is failing', '令牌续期失败'],
  renewalReason: [
    'Renewals fail. The current token is still used.',
    '续期失败。当前令牌仍在使用。',
  ],
  renewalRemedy: [
    'Restore the connection to iSales; the renewal is retried until it succeeds.',
    '恢复到 iSales 的连接；续期会一直重试，直到成功。',
  ],

  failing: ['Calls fail', '调用失败'],
  someFail: ['Some calls fail', '部分调用失败'],
  outageReason: [
    'No call has succeeded for {time}: all {failed} failed. {words}.',
    '已有 {time}没有一次调用成功：{failed} 次全部失败。{words}。',
  ],
  recentReason: [
    '{failed} of {total} calls failed in the last 20 seconds. {words}.',
    '最近 20 秒内 {total} 次调用中有 {failed} 次失败。{words}。',
  ],
  minuteReason: [
    '{failed} of {total} calls failed in the last minute. {words}.',
    '最近一分钟 {total} 次调用中有 {failed} 次失败。{words}。',
  ],
  recovering: ['Recovering', '正在恢复'],
  recoveringReason: [
    'No call has failed for {time}, and {succeeded} have succeeded since. Before that, in the last minute, {failed} failed. {words}.',
    '{time}内没有调用失败，其间成功 {succeeded} 次。此前一分钟内失败 {failed} 次。{words}。',
  ],
  someRefused: ['iSales refuses some calls', 'iSales 拒绝部分调用'],
  someRefusedReason: [
    '{refused} of {total} calls in the last minute got 401 or 403 from iSales. Others succeed with the same token. Refused in the last hour: {paths}.',
    '最近一分钟 {total} 次调用中有 {refused} 次得到 iSales 的 401 或 403；其他调用用同一令牌成功。最近一小时被拒绝的路径：{paths}。',
  ],
  someRefusedRemedy: [
    'The account may not make these calls: have iSales permit them to this user, or let CTI-OBS leave them.',
    '该账号无权进行这些调用：请在 iSales 中给该用户授权，或让 CTI-OBS 不再调用。',
  ],
  pages: ['A web page refuses calls', '调用被网页拒绝'],
  pagesReason: [
    '{pages} calls in the last minute got 401 or 403 with a web page. iSales sends none: a gateway or firewall before it refuses them. Paths of the last hour: {paths}.',
    '最近一分钟有 {pages} 次调用得到带网页的 401 或 403。iSales 不返回网页：是它前面的网关或防火墙拒绝了调用。最近一小时的路径：{paths}。',
  ],
  pagesRemedy: [
    'Ask who runs the gateway, firewall or egress proxy on the route to iSales; a login of this proxy cures nothing.',
    '请联系通往 iSales 的网关、防火墙或出口代理的管理员；本代理重新登录无济于事。',
  ],
  slow: ['iSales is slow', 'iSales 响应缓慢'],
  slowReason: [
    '{slow} of {total} calls in the last minute took iSales more than 2 s. CTI-OBS gives up after 3 s.',
    '最近一分钟 {total} 次调用中有 {slow} 次 iSales 用时超过 2 秒。CTI-OBS 在 3 秒后放弃。',
  ],
  slowRemedy: [
    'Ask the operator of iSales. Until then raise CLIENT_DEADLINE and the timeout of CTI-OBS together.',
    '请联系 iSales 的管理员。在此之前，可同时调大 CLIENT_DEADLINE 和 CTI-OBS 的 timeout。',
  ],
  clock: ['The clock is wrong', '系统时钟不准'],
  clockAhead: [
    'The clock of this machine is {time} ahead of that of iSales.',
    '本机时钟比 iSales 快 {time}。',
  ],
  clockBehind: [
    'The clock of this machine is {time} behind that of iSales.',
    '本机时钟比 iSales 慢 {time}。',
  ],
  clockTls: [
    'The certificate of iSales is not valid yet by the clock of this machine.',
    '按本机时钟，iSales 的证书尚未生效。',
  ],
  clockRemedy: [
    'Set the clock and keep it right (timedatectl, chrony). With a wrong one certificates are refused, and the times in the log mislead.',
    '校准时钟并保持同步（timedatectl、chrony）。时钟不准时证书会被拒绝，日志中的时间也会误导人。',
  ],
  mistakes: ['CTI-OBS sends what is not forwarded', 'CTI-OBS 发送了不会转发的请求'],
  mistakesReason: [
    'In the last minute the proxy refused {count} requests: {codes}. They are not among the calls below.',
    '最近一分钟代理拒绝了 {count} 个请求：{codes}。它们不计入下面的调用。',
  ],
  mistakesRemedy: [
    'docs/errors.md says of each code what to correct; often obsUrl ends with a slash, or names a host that is not in ALLOWED_HOSTS.',
    'docs/errors.zh-CN.md 说明每个错误码如何更正；常见的是 obsUrl 以斜杠结尾，或其主机名不在 ALLOWED_HOSTS 中。',
  ],
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

/** The English is the table of each module; see there. */
export const AUTH_FAILURE_TEXTS_ZH: Readonly<Record<AuthFailureReason, string>> = {
  rejected: '用户名或密码被拒绝（4xx）',
  result: '200，但 result 不为 0',
  throttled: '登录过多（429）',
  unavailable: '无连接，或 5xx',
  timeout: '没有及时响应',
  tls: '证书或握手失败',
  malformed: '无法理解的响应',
}
export const BACKOFF_TEXTS_ZH: Readonly<Record<BackoffState, string>> = {
  none: '无',
  transient: '等待重试',
  rejected: '用户名或密码被拒绝',
  guarded: '为防锁定，暂缓登录',
}
export const STORE_FAILURE_TEXTS_ZH: Readonly<Record<StoreFailureReason, string>> = {
  unreachable: '无法连接存储',
  timeout: '存储太慢',
  tls: '存储的证书或握手失败',
  auth: '存储拒绝了用户名或密码',
  denied: '存储处于保护模式：请设置密码，或关闭 protected-mode',
  permission: '该用户无权在存储中执行此操作',
  readonly: '存储是只读副本',
  memory: '存储内存已满',
  'wrong-type': '键被其他程序写入',
  cluster: '存储属于集群',
  loading: '存储正在加载数据',
  replicas: '存储的副本太少',
  refused: '存储拒绝了操作',
  malformed: '无法理解存储的应答',
}
export const PROBLEM_TITLES_ZH: Readonly<Record<ProblemCode, string>> = {
  'no-token': '无法登录 iSales',
  overloaded: '进行中的请求过多',
  'shutting-down': '代理正在停止',
  'out-of-time': '没有时间发送请求',
  'upstream-unreachable': '无法连接 iSales',
  'upstream-tls': '与 iSales 之间没有可信的 TLS 连接',
  'upstream-broken': 'iSales 的响应中断或格式错误',
  'upstream-timeout': 'iSales 没有及时响应',
  internal: '代理出错',
  'bad-request': '请求不是有效的 HTTP',
  'not-allowed': '此处不允许该请求',
  'method-not-allowed': '不允许该方法',
  'not-logged-in': '请先登录',
  'request-timeout': '请求没有及时到达',
  'too-large': '请求体过大',
  'expectation-failed': '未知的 Expect',
  misdirected: '请求的主机名不是本代理',
  'headers-too-large': '请求头过大',
  'loop-detected': '请求来自本代理自身',
  'not-implemented': '未知的方法或传输编码',
}

/** Headings, names and values. */
export const WORDS = {
  // Time.
  justNow: ['just now', '刚刚'],
  ago: ['{time} ago', '{time}前'],
  for: ['for {time}', '还有 {time}'],
  in: ['in {time}', '{time}后'],
  ended: ['ended', '已结束'],
  endedAt: ['Ended {time}', '已于 {time} 结束'],
  never: ['never', '从未'],
  none: ['none', '无'],
  now: ['now', '现在'],

  // The frame of the page.
  pause: ['pause refresh', '暂停刷新'],
  resume: ['refresh every {seconds} s', '每 {seconds} 秒刷新'],
  otherLanguage: ['中文', 'English'],
  runbook: ['What to look at and what to do', '查看什么、怎么做'],
  version: ['Version {version}', '版本 {version}'],
  up: ['Up {time}', '已运行 {time}'],
  copy: ['Text to copy for support', '供技术支持复制的文本'],
  copyHint: [
    'Select all of it. isales-auth-proxy support writes more, with the settings and what the network says.',
    '全选复制。isales-auth-proxy support 会写出更多内容，包括设置和网络检查。',
  ],

  // The large figure.
  budget: ['Without another login, calls work for', '不再登录，调用还能维持'],
  failedFor: ['Failed in {time}', '{time}内失败'],
  refusedInMinute: ['Refused in the last minute', '最近一分钟被拒绝'],
  failedOf: ['{failed} of {total}', '{failed} / {total}'],
  nextAttemptIn: ['Next attempt in', '下次尝试'],
  nextAttempt: ['Next attempt', '下次尝试'],

  // The life of the token.
  usable: ['The token is usable for {time} of {life}.', '令牌还能使用 {time}，共 {life}。'],
  notUsable: ['The token is not usable.', '令牌不可用。'],
  obtained: ['Obtained {time}', '取得于 {time}'],
  ends: ['Ends {time}; the last {rest} are not used', '{time} 到期；最后 {rest}不使用'],
  renewalIn: ['renewal in {time}', '{time}后续期'],
  attemptIn: ['next attempt in {time}', '{time}后重试'],
  lastTokenRequest: ['Last login or refresh', '最近一次登录或刷新'],

  // Cards.
  renewal: ['Renewal', '续期'],
  nextRenewal: ['Next renewal', '下次续期'],
  notPlanned: ['not planned', '未计划'],
  inProgress: ['{operation} in progress', '正在{operation}'],
  backoff: ['Back-off', '退避'],
  failedInRow: ['Failed in a row', '连续失败'],
  lastSuccess: ['Last success', '上次成功'],
  sharedToken: ['Shared token', '共享令牌'],
  alone: ['alone: {why}; began {ago}', '单独运行：{why}；始于{ago}'],
  storeNotUsed: ['the store cannot be used', '无法使用存储'],
  shared: ['shared', '共享'],
  sharedWith: ['shared with {count} other replicas', '与其他 {count} 个副本共享'],
  sharedWithOne: ['shared with 1 other replica', '与另一个副本共享'],
  sharedWithNone: ['shared with no other replica', '没有其他副本共享'],
  adopted: ['this token came from another replica {ago}', '本令牌 {ago}取自其他副本'],
  token: ['Token', '令牌'],
  tokensSoFar: ['Tokens so far', '已取得令牌'],
  refreshToken: ['Refresh token', '刷新令牌'],
  endNotKnown: ['end not known', '到期时间未知'],
  rejectedEarly: ['Rejected early', '提前被拒绝'],
  conflicts: ['Conflicts', '账号冲突'],
  secretChanged: ['Secret changed', '密码变更'],
  occurred: ['{count}, last {ago}', '{count} 次，最近 {ago}'],
  calls: ['Calls', '调用'],
  lastMinute: ['In the last minute', '最近一分钟'],
  refusedByIsales: ['refused by iSales', '被 iSales 拒绝'],
  failed: ['failed', '失败'],
  succeeded: ['succeeded', '成功'],
  lastFailed: ['Last failed call', '最近一次失败'],
  inFlight: ['In flight', '进行中'],
  waitingForToken: ['Waiting for a token', '等待令牌'],
  sinceStart: ['Ended since the start', '启动以来已结束'],
  withStatus: ['with {status}', '其中 {status}'],
  saved: ['Saved by a replay', '重放挽回'],
  certificates: ['Certificates', '证书'],
  ofProxy: ['Of this proxy', '本代理'],
  forIsales: ['For iSales', '用于 iSales'],
  caOfIsales: ['Authority of iSales', 'iSales 的 CA'],

  // The strip.
  hour: ['Calls of the last hour', '最近一小时的调用'],
  hourLabel: [
    'Calls of the last hour: {succeeded} succeeded, iSales refused {refused}, {failed} failed. Logins and refreshes: {requests}, of which {failures} failed.',
    '最近一小时的调用：成功 {succeeded}，被 iSales 拒绝 {refused}，失败 {failed}。登录和刷新 {requests} 次，其中 {failures} 次失败。',
  ],
  perMinute: ['per minute, up to {count}', '每分钟，最多 {count}'],
  hourAgo: ['1 h ago', '1 小时前'],
  minuteTitle: [
    '{time}: {succeeded} succeeded, {refused} refused by iSales, {failed} failed',
    '{time}：成功 {succeeded}，被 iSales 拒绝 {refused}，失败 {failed}',
  ],
  login: ['login', '登录'],
  refresh: ['refresh', '刷新'],
  failedLogin: ['failed login or refresh', '登录或刷新失败'],

  // Tables.
  failedCalls: ['Last calls that did not succeed', '最近未成功的调用'],
  failedPaths: ['Paths that did not succeed, in the last hour', '最近一小时未成功的路径'],
  failedLogins: ['Failed logins and refreshes', '失败的登录和刷新'],
  errors: ['Errors of the proxy itself', '代理自身的错误'],
  noneSinceStart: ['None since the start.', '启动以来没有。'],
  time: ['Time', '时间'],
  call: ['Call', '调用'],
  status: ['Status', '状态码'],
  code: ['Code', '错误码'],
  requestId: ['Request id', '请求 ID'],
  path: ['Path', '路径'],
  refused: ['Refused', '被拒绝'],
  failedCount: ['Failed', '失败'],
  reason: ['Reason', '原因'],
  meaning: ['Meaning', '含义'],
  count: ['Count', '次数'],
  last: ['Last', '最近'],

  // Settings.
  configuration: ['Configuration', '配置'],
  setHere: ['Set for this instance', '本实例的设置'],
  defaults: ['Defaults', '默认值'],
  setting: ['Setting', '设置'],
  value: ['Value', '值'],
  from: ['From', '来源'],
  notSet: ['not set', '未设置'],
  empty: ['empty', '空'],
} as const satisfies Readonly<Record<string, Text>>
