import type { AuthFailureReason, StoreFailureReason } from '../causes.ts'
import { WORDS as ALL } from '../words/index.ts'
import { PROBLEMS, type ProblemCode } from '../http/problem.ts'
import { BACKOFFS, type BackoffState } from '../token/client.ts'
import type { CallFailure } from './calls.ts'

const { en, zh } = ALL

const storesOf = ({ stores }: typeof en) =>
  Object.fromEntries(
    Object.entries(stores).map(([reason, of]) => [reason, of('(SESSION_STORE_URL)')[0]]),
  ) as Readonly<Record<StoreFailureReason, string>>

/** In English and in Chinese. */
export type Pair<Value> = readonly [en: Value, zh: Value]
/** `{name}` stands for a value. */
export type Text = Pair<string>
export type Words<Name extends string> = Pair<Readonly<Record<Name, string>>>

/** Of pages, of `?lang=`, and of `Accept-Language`, where `zh-CN` counts as `zh`. */
export const LANGUAGES = ['en', 'zh'] as const
export type Language = (typeof LANGUAGES)[number]

// The English of these is the table of each module; see there.

export const AUTH_FAILURE_TEXTS: Words<AuthFailureReason> = [en.authFailures, zh.authFailures]
export const BACKOFF_TEXTS: Words<BackoffState> = [
  BACKOFFS,
  {
    none: '无',
    transient: '等待重试',
    rejected: '用户名或密码被拒绝',
    guarded: '为防锁定，暂缓登录',
  },
]
export const STORE_FAILURE_TEXTS: Words<StoreFailureReason> = [storesOf(en), storesOf(zh)]
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
  'not-implemented': '未知的传输编码',
}
export const PROBLEM_TITLES: Words<string> = [
  Object.fromEntries(Object.entries(PROBLEMS).map(([code, { title }]) => [code, title])),
  PROBLEM_TITLES_ZH,
]

const NETWORK: Text = [
  'Check the network to ISALES_URL (DNS, firewall, HTTPS_PROXY), then ask the operator of iSales.',
  '检查到 ISALES_URL 的网络（DNS、防火墙、HTTPS_PROXY），然后联系 iSales 的管理员。',
]

/** What happened, and what to do. */
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

/** Headings, names and values. */
export const WORDS = {
  // Time.
  justNow: ['just now', '刚刚'],
  ago: ['{time} ago', '{time}前'],
  for: ['for {time}', '还有 {time}'],
  in: ['in {time}', '{time}后'],
  ended: ['ended', '已结束'],
  endedAt: ['Ended {time}', '已于 {time} 结束'],
  minute: ['minute', '最近一分钟'],
  twentySeconds: ['20 seconds', '最近 20 秒内'],
  never: ['never', '从未'],
  none: ['none', '无'],
  now: ['now', '现在'],

  // Parts of findings.
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
  tokenServes: ['The current token is still used.', '当前令牌仍在使用。'],
  noService: ['Calls get 503 until a login succeeds.', '登录成功之前，调用得到 503。'],

  // The frame of the page.
  pause: ['pause refresh', '暂停刷新'],
  resume: ['refresh every {seconds} s', '每 {seconds} 秒刷新'],
  otherLanguage: ['中文', 'English'],
  runbook: ['What to look at and what to do', '查看什么、怎么做'],
  version: ['Version {version}', '版本 {version}'],
  up: ['Up {time}', '已运行 {time}'],
  copy: ['Text to copy for support', '供技术支持复制的文本'],
  copyHint: ['Select all of it: it holds no secret.', '全选复制：其中没有密码和令牌。'],

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
  listenerCertificate: ['Of this proxy', '本代理'],
  clientCertificate: ['For iSales', '用于 iSales'],
  caCertificate: ['Authority of iSales', 'iSales 的 CA'],

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
