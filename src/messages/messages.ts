/** Languages of pages and of `?lang=`; in `Accept-Language`, `zh-CN` is `zh`. */
export const LANGUAGES = ['en', 'zh'] as const
export type Language = (typeof LANGUAGES)[number]

/**
 * `private`: a fact for readers on this machine only, such as a user, host, path or file. `coded`: its texts may be codes; any
 * other text is shown as it is, because a user may have the name `root`.
 */
type FactTrait = 'private' | 'coded'
type Pair = readonly [en: string, zh: string, ...traits: FactTrait[]]
type Pairs = Readonly<Record<string, Pair>>

/** Names of facts, with the relevant setting in parentheses. */
// oxfmt-ignore
const FACTS = {
  isales: ['iSales (ISALES_URL)', 'iSales（ISALES_URL）', 'private'],
  egress: ['Egress proxy (HTTPS_PROXY)', '出口代理（HTTPS_PROXY）', 'private'],
  store: ['Shared store (SESSION_STORE_URL)', '共享存储（SESSION_STORE_URL）', 'private'],
  storeCode: ["The store's error code", '存储返回的错误码'],
  stateDir: ['Directory (STATE_DIR)', '目录（STATE_DIR）', 'private'],
  serverName: ['Checked for (ISALES_TLS_SERVER_NAME)', '按此名称核对（ISALES_TLS_SERVER_NAME）', 'private'],
  certificate: ['Certificate', '证书', 'private'],
  issuer: ['Missing issuer', '缺少的签发者', 'private'],
  chain: ['The server sent', '对方发送了', 'coded'],
  validFrom: ['Valid from', '生效时间'],
  validTo: ['Valid to', '到期时间'],
  status: ['Status', '状态码'],
  connectStatus: ['Response to CONNECT', '对 CONNECT 的响应'],
  location: ['Location', '重定向目标（Location）', 'private'],
  encoding: ['Content-Encoding', '内容编码（Content-Encoding）'],
  members: ['Members of the response', '响应中的字段'],
  responseSize: ['Bytes of the response', '响应的字节数'],
  tokenLength: ['Characters of the token', '令牌的字符数'],
  mostCharacters: ['Most characters of a token', '令牌的最大字符数'],
  retryAfter: ['Retry-After (followed up to 5 min)', 'Retry-After（最多遵循 5 分钟）'],
  detail: ['Detail', '详情', 'coded'],
  userFile: ['User (ISALES_USER_FILE)', '用户名（ISALES_USER_FILE）', 'private'],
  passwordFile: ['Password (ISALES_PASSWORD_FILE)', '密码（ISALES_PASSWORD_FILE）', 'private'],
  restart: ['Without STATE_DIR', '未设置 STATE_DIR', 'coded'],
  setting: ['Setting', '设置'],
  found: ['Found', '现值'],
  foundLength: ['Length in characters', '字符数'],
  accepts: ['Accepted', '允许的格式'],
  example: ['For example', '例如'],
  otherSetting: ['The other setting', '另一个设置'],
  meant: ['Probably meant', '您是否想写'],
  unknown: ['Unknown settings', '未知的设置'],
  file: ['File', '文件', 'private'],
  address: ['Address', '地址'],
  socketAddress: ['Address of the socket unit', '套接字单元的地址'],
  sockets: ['Addresses of the socket unit', '套接字单元的地址数'],
  process: ['Process', '进程'],
  user: ['User (ISALES_USER)', '用户（ISALES_USER）', 'private'],
  userHas: ['ISALES_USER has', 'ISALES_USER 中有', 'private', 'coded'],
  passwordHas: ['ISALES_PASSWORD has', 'ISALES_PASSWORD 中有', 'private', 'coded'],
  changed: ['Changed', '已更改'],
  changedAt: ['Changed at', '更改时间'],
  startedAt: ['Started', '启动于'],
  statedLifetime: ['Seconds that iSales states', 'iSales 给出的秒数'],
  lives: ['The token lives for', '令牌有效期'],
  refreshToken: ['With a refresh token', '有刷新令牌'],
  refreshLives: ['The refresh token lives for', '刷新令牌有效期'],
  pausedFor: ['Next attempt in', '距下次尝试'],
  form: ['Form', '形式'],
  tokenHeader: ['Header in force (ISALES_TOKEN_HEADER)', '当前的请求头（ISALES_TOKEN_HEADER）'],
  previousWorks: ['The previous token still works', '上一个令牌仍可使用'],
  outcome: ['Outcome', '结果', 'coded'],
  operation: ['Failed operation', '失败环节', 'coded'],
  failedInRow: ['Failed in a row', '连续失败'],
  nextAttempt: ['Next attempt', '下次尝试'],
  pausedUntil: ['Logins are paused until', '登录暂停到'],
  servesFor: ['The current token is usable for', '当前令牌还能使用'],
  rejectedToo: ['iSales also rejects the current token', 'iSales 也拒绝当前令牌'],
  lostCalls: ['Lost calls', '丢失的调用'],
  declinedCalls: ['Declined calls', '未受理的调用'],
  slowCalls: ['Slow calls', '缓慢的调用'],
  within: ['Within', '时间范围'],
  endedAt: ['Ended', '结束于'],
  beforeRenew: ['Only before renew', '仅发生在 renew 之前'],
  turnedAway: ['Times in the last minute', '最近一分钟的次数'],
  host: ['Host of the request', '请求的 Host', 'private'],
  targetHost: ['Host in the target, as for an HTTP_PROXY', '请求目标中的主机（如同发给 HTTP_PROXY）', 'private'],
  allowedHosts: ['Allowed hosts (ALLOWED_HOSTS)', '允许的主机名（ALLOWED_HOSTS）', 'private'],
  allowedPaths: ['Allowed paths (ALLOWED_PATHS)', '允许的路径（ALLOWED_PATHS）', 'private'],
  maxBodySize: ['Most bytes of a body (MAX_BODY_SIZE)', '请求体的最大字节数（MAX_BODY_SIZE）'],
  bodySize: ['Bytes of the body', '请求体的字节数'],
  stoodStill: ['Stood still for', '停顿时间'],
  listen: ['Address for calls (LISTEN)', '调用的地址（LISTEN）', 'private'],
  clientDeadline: ['Deadline (CLIENT_DEADLINE)', '期限（CLIENT_DEADLINE）'],
  leftAfter: ['The client left after', '客户端断开前等待了'],
  path: ['Last such request', '最近一次此类请求', 'private'],
  result: ['Result of iSales', 'iSales 返回的 result'],
  callsInMinute: ['Calls in the last minute', '最近一分钟的调用'],
  refreshesFailed: ['Failed refreshes since the last success', '上次成功以来失败的刷新'],
  nextRenewal: ['Next renewal', '下次续期'],
  inProgress: ['In progress', '正在进行', 'coded'],
  backoff: ['Back-off', '重试策略', 'coded'],
  lastSuccess: ['Last success', '上次成功'],
  lastLogin: ['Last login', '上次登录'],
  loginTook: ['The last login took', '上次登录用时'],
  budget: ['If logins stopped now, calls would work for', '即使无法再登录，调用仍可维持'],
  sharing: ['Shared token', '共享令牌', 'coded'],
  sharingSince: ['Since', '始于'],
  adoptedAt: ['Token of another replica', '令牌取自其他副本'],
  generation: ['Tokens so far', '已取得令牌'],
  refreshTokenEnds: ['Refresh token ends', '刷新令牌到期'],
  answered: ['Answered', '已得到响应'],
  slow: ['Slower than 2 s', '超过 2 秒'],
  declined: ['Declined by iSales', 'iSales 未受理'],
  rejected: ['Rejected by iSales', '被 iSales 拒绝'],
  refused: ['Refused by this proxy', '被本代理拒绝'],
  abandoned: ['Given up by the client', '客户端放弃'],
  failed: ['Failed', '失败'],
  lastAnswered: ['Last answered call', '最近一次响应'],
  stray: ['Other requests, not forwarded', '其他未转发的请求'],
  handshake: ['Failed TLS handshakes', '失败的 TLS 握手'],
  granted: ['Logins of CTI-OBS', 'CTI-OBS 的登录'],
  inFlight: ['In flight', '进行中'],
  waitingForToken: ['Waiting for a token', '等待令牌'],
  listener: ['For clients (LISTEN_TLS_CERT_FILE)', '用于客户端（LISTEN_TLS_CERT_FILE）'],
  endsIn: ['Time left', '剩余时间'],
  client: ['For iSales (ISALES_CLIENT_CERT_FILE)', '用于 iSales（ISALES_CLIENT_CERT_FILE）'],
  ca: ['Authority of iSales (ISALES_CA_FILE)', 'iSales 的 CA（ISALES_CA_FILE）'],
} as const satisfies Pairs

export type FactName = keyof typeof FACTS

export function isFact(trait: FactTrait, name: FactName): boolean {
  const row: Pair = FACTS[name]
  return row.includes(trait, 2)
}

/** Texts for values that are codes. */
const VALUES = {
  login: ['login', '登录'],
  refresh: ['refresh', '刷新'],
  none: ['none', '无'],
  transient: ['waiting to retry', '等待重试'],
  rejected: ['credentials rejected', '用户名或密码被拒绝'],
  'login-pause': ['login pause', '登录暂停，以防账号被锁定'],
  'costs-attempt': ['every restart costs a login attempt', '每次重启都会多消耗一次登录机会'],
  shared: ['shared', '共享'],
  local: ['local', '单独运行'],
  page: ['a web page', '网页'],
  result: ['its result is not 0', 'result 不为 0'],
  'no-json': ['no JSON', '不是 JSON'],
  'no-result': ['no result', '没有 result'],
  'no-resultData': ['no resultData', '没有 resultData'],
  'no-token': ['no token', '没有令牌'],
  'body-too-long': ['a body over 64 KiB', '响应体超过 64 KiB'],
  works: ['works', '成功'],
  alone: [
    'only its own certificate: an intermediate may be missing there',
    '仅自己的证书：那边可能缺少中间证书',
  ],
  part: ['a chain without its root', '不含根证书的证书链'],
  root: ['a chain up to its root', '直到根证书的证书链'],
  off: ['off', '关闭'],
  'not-tried': ['not tried', '没有尝试'],
  late: ['no response in time', '没有及时响应'],
  missing: ['it does not exist', '文件不存在'],
  denied: ['this user may not read it', '当前用户无权读取'],
  unreadable: ['it cannot be read', '无法读取'],
  'no-file': ['it is a directory, or not a regular file', '是目录，或不是普通文件'],
  'too-large': ['it is too large', '文件过大'],
  'no-certificate': [
    'it has no PEM certificate, or a damaged one',
    '其中没有 PEM 证书，或证书已损坏',
  ],
  'no-key': ['it has no PEM private key, or a damaged one', '其中没有 PEM 私钥，或私钥已损坏'],
  spaces: ['white space at the beginning or end', '首尾的空白'],
  lines: ['more than one line', '多于一行'],
  quotes: ['quotes', '引号'],
  comment: [
    'a # after white space, which does not begin a comment',
    '空白之后的 #（不会作为注释处理）',
  ],
  opaque: ['it resembles a token or a password', '像是令牌或密码'],
  unencoded: [
    'write # as %23 and ? as %3F in user and password',
    '用户名和密码中的 # 和问号分别写作 %23 和 %3F',
  ],
  'own-name': ['its own name and =', '变量名和等号'],
  'is-path': ['a path instead of its text', '路径而不是内容'],
  'no-unit': ['a number without a unit means seconds', '不带单位的数字表示秒'],
  'unfit-host': ['ALLOWED_HOSTS does not accept this host', 'ALLOWED_HOSTS 不接受该主机名'],
  'odd-character': ['a full-width or invisible character', '全角或不可见的字符'],
  yes: ['yes', '是'],
  no: ['no', '否'],
} as const satisfies Pairs

/** Headings and labels of the status page. */
const PAGE = {
  now: ['now', '现在'],
  pause: ['pause refresh', '暂停刷新'],
  resume: ['refresh every 5 s', '每 5 秒刷新'],
  otherLanguage: ['中文', 'English'],
  more: ['Look up:', '查阅：'],
  copy: ['Text to copy for support', '供技术支持使用的文本'],
  hidden: [
    'Hosts, users, paths and files are shown to readers on this machine only.',
    '主机、用户、路径和文件只在本机上显示。',
  ],
  notUsable: ['The token is not usable.', '令牌不可用。'],
  renewal: ['Renewal', '续期'],
  calls: ['Requests of the last minute', '最近一分钟的请求'],
  certificates: ['Certificates', '证书'],
  hour: ['Calls of the last hour', '最近一小时的调用'],
  hourAgo: ['1 h ago', '1 小时前'],
  failedCalls: ['Last lost or declined calls', '最近丢失或未受理的调用'],
  changes: ['Changes of state', '状态变化'],
  missing: ['Not found', '未找到'],
  version: ['Version', '版本'],
  up: ['Up', '已运行'],
  usable: ['The token is usable for', '令牌还能使用'],
  obtained: ['Obtained', '取得于'],
  ends: ['Ends', '到期于'],
  unused: ['not used at the end', '末尾不使用'],
  ended: ['Ended', '已结束于'],
  most: ['most in a minute', '每分钟最多'],
} as const satisfies Pairs

/** Headings of the table of failed calls. */
const COLUMNS: readonly Pair[] = [
  ['Time', '时间'],
  ['Call', '调用'],
  ['Status', '状态码'],
  ['Code', '错误码'],
  ['Times', '次数'],
  ['Request id', '请求 ID'],
]

/** Texts that commands print next to codes and facts. */
const CLI = {
  usage: ['Usage', '用法'],
  help: [
    'Explain a code, alert, setting, status or command',
    '说明错误码、告警、设置、状态码或命令',
  ],
  version: ['Print the version', '显示版本'],
  error: ['Error', '错误'],
  warning: ['Warning', '警告'],
  wrong: ['(error, see below)', '（有误，见下）'],
  environment: ['environment', '环境变量'],
  file: ['file', '文件'],
  shell: ['These settings have to change; for a shell:', '需要修改以下设置；用于命令行：'],
} as const satisfies Pairs

/** Headings of the table of settings. */
const HEAD: readonly Pair[] = [
  ['SETTING', '设置'],
  ['VALUE', '值'],
  ['FROM', '来源'],
]

/** Steps of `check --live`. */
const TOPICS = {
  login: ['login', '登录'],
  store: ['store', '存储'],
  call: ['business call', '业务调用'],
  invalid: ['an invalid token', '无效令牌'],
  refresh: ['refresh', '刷新'],
  session: ['a second session', '第二个会话'],
  lifetime: ['lifetime', '有效期'],
  state: ['STATE_DIR', 'STATE_DIR'],
} as const satisfies Pairs

const UNITS = {
  day: ['d', '天'],
  hour: ['h', '小时'],
  minute: ['min', '分钟'],
  second: ['s', '秒'],
  millisecond: ['ms', '毫秒'],
} as const satisfies Pairs

export type Messages = ReturnType<typeof messagesIn>

function messagesIn(language: Language) {
  const isChinese = language === 'zh'
  const one = ([english, chinese]: Pair): string => (isChinese ? chinese : english)
  const all = <Name extends string>(pairs: Readonly<Record<Name, Pair>>) => {
    const entries = Object.entries<Pair>(pairs).map(([name, pair]) => [name, one(pair)] as const)
    return Object.fromEntries(entries) as Readonly<Record<Name, string>>
  }
  const [stop, gap] = isChinese ? ['。', ''] : ['.', ' ']
  return {
    language,
    facts: all(FACTS),
    values: all(VALUES),
    page: { ...all(PAGE), columns: COLUMNS.map(one) },
    cli: { ...all(CLI), head: HEAD.map(one), topics: all(TOPICS) },
    units: all(UNITS),
    of: (part: string, whole: string) => `${part} ${isChinese ? '/' : 'of'} ${whole}`,
    ago: (time: string) => (isChinese ? `${time}前` : `${time} ago`),
    in: (time: string) => (isChinese ? `${time}后` : `in ${time}`),
    until: (text: string, time: string) =>
      isChinese ? `${text}，截至 ${time}` : `${text}, until ${time}`,
    aside: (text: string, more: string) => (isChinese ? `${text}（${more}）` : `${text} (${more})`),
    labelled: (label: string, text: string) => `${label}${isChinese ? '：' : ': '}${text}`,
    between: isChinese ? '；' : '; ',
    /** Joins sentences, without the empty ones. */
    sentences: (...parts: readonly string[]) =>
      parts
        .filter((part) => part !== '')
        .map((part) => (/[.?!。？！]$/.test(part) ? part : `${part}${stop}`))
        .join(gap),
  }
}

export const MESSAGES: Readonly<Record<Language, Messages>> = {
  en: messagesIn('en'),
  zh: messagesIn('zh'),
}
export const { en } = MESSAGES

/** Returns the texts for a process's locale. `zh_CN.UTF-8` is Chinese, which other encodings cannot show. */
export function messagesFor({ LC_ALL, LC_MESSAGES, LANG }: NodeJS.ProcessEnv): Messages {
  const isChinese = /^zh[_.@-].*utf-?8/i.test(LC_ALL || LC_MESSAGES || LANG || '')
  return MESSAGES[isChinese ? 'zh' : 'en']
}
