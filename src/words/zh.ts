// oxlint-disable max-lines -- one object of every sentence
import type { At, Words } from './en.ts'
import {
  check,
  command,
  commands,
  exitCodes,
  help,
  listening,
  renew,
  running,
} from './zh-commands.ts'
import { settings } from './zh-settings.ts'

const peers = {
  isales: ' iSales ',
  egress: '出口代理',
  store: '共享存储',
  client: '客户端',
  disk: '磁盘',
} as const
const PEERS = {
  isales: 'iSales ',
  egress: '出口代理',
  store: '共享存储',
  client: '客户端',
  disk: '磁盘',
} as const

const named = (name: string): string => (name === '' ? '' : `（${name}）`)

const correctPassword = ({ userFile, passwordFile }: At): string => {
  if (userFile === '' && passwordFile === '')
    return '更正 ISALES_USER 和 ISALES_PASSWORD，然后重启代理：它们来自环境变量'
  const user = userFile === '' ? ' ISALES_USER（然后重启代理）' : ` ${userFile} 中的用户名`
  const password =
    passwordFile === '' ? ' ISALES_PASSWORD（然后重启代理）' : ` ${passwordFile} 中的密码`
  return `更正${user}或${password}：文件修改后几秒内自动重试`
}

const IF_RIGHT = '如果用户名和密码都正确，请向 iSales 的管理员确认密码是否过期、账号是否被锁定'

const causes: Words['causes'] = {
  'name-unknown': ({ host, url }) => [
    `DNS 查不到 ${host}`,
    `更正 ${url} 中的主机名，或更正 DNS 记录`,
  ],
  'dns-down': ({ host }) => [
    `DNS 没有响应，无法得知 ${host} 的地址`,
    '检查网络和本机的域名服务器（/etc/resolv.conf）',
  ],
  'connection-refused': ({ host, url, side }) => [
    `${host} 没有程序在监听`,
    `检查 ${url} 中的端口，以及${peers[side]}是否在运行`,
  ],
  'no-route': ({ host, url }) => [`无法到达 ${host}`, `检查网络、防火墙和 ${url} 中的地址`],
  'connect-timeout': ({ host, url }) => [`${host} 没有响应`, `检查 ${url} 中的地址和沿途的防火墙`],
  'connection-closed': ({ host, url }) => [
    `${host} 在 TLS 就绪之前关闭了连接`,
    `检查 ${url} 中的端口，以及沿途的防火墙和网关`,
  ],
  untrusted: ({ side, ca }) => [
    `${PEERS[side]}的证书不是由受信任的 CA 签发`,
    `把 ${ca} 设为签发该证书的 CA 的 PEM 文件`,
  ],
  expired: ({ side, certificate: { name, to } }) => [
    `${PEERS[side]}的证书${named(name)}已${to && `于 ${to} `}过期`,
    `请${peers[side]}的管理员更新证书；如果本机时钟不准，请校准时钟`,
  ],
  'not-yet-valid': ({ side, certificate: { name, from } }) => [
    `按本机时钟，${PEERS[side]}的证书${named(name)}尚未生效${from && `，${from} 起才有效`}`,
    '校准时钟并保持同步（timedatectl、chrony）；如果时钟没有问题，请联系证书的签发方',
  ],
  'other-name': ({ side, host, serverName, url, certificate: { name } }) => [
    `${PEERS[side]}的证书${named(name)}与主机名 ${serverName || host} 不符`,
    serverName !== ''
      ? '把 ISALES_TLS_SERVER_NAME 设为证书中的名称，或取消它'
      : side === 'isales'
        ? `更正 ${url} 中的主机名，或把 ISALES_TLS_SERVER_NAME 设为证书中的名称`
        : `更正 ${url} 中的主机名`,
  ],
  'no-tls': ({ host, url, side }) => [
    `${host} 不使用 TLS`,
    `检查 ${url} 中的端口${side === 'isales' ? '；如果 iSales 没有 TLS，请写 http://' : ''}`,
  ],
  'plain-http': ({ host }) => [`${host} 使用了明文 HTTP`, '请改用 https'],
  'plain-refused': ({ host, url, side }) => [
    `${host} 不接受明文 HTTP，或关闭了连接`,
    `如果那里使用 TLS，请在 ${url} 中写 https://；否则检查${peers[side]}是否在运行`,
  ],
  'own-certificate': ({ side }) => [
    `缺少客户端证书，或${peers[side]}拒绝该证书`,
    side === 'store'
      ? '让存储不要求客户端证书：它的密码就是凭证'
      : '把 ISALES_CLIENT_CERT_FILE 和 ISALES_CLIENT_KEY_FILE 设为对方接受的证书和私钥',
  ],
  'no-certificate': ({ side }) => [`${PEERS[side]}没有出示证书`, '请为其配置证书'],
  handshake: ({ side, host }) => [
    `与 ${host} 的 TLS 握手失败`,
    `请与${peers[side]}的管理员核对 TLS 版本和加密套件`,
  ],
  'egress-login': ({ host }) => [
    `${host} 要求用户名和密码，或拒绝了它们（407）`,
    '在 HTTPS_PROXY 中写入正确的用户名和密码：http://user:password@host:port',
  ],
  'egress-refused': ({ host }) => [
    `${host} 没有接通 iSales`,
    '检查 ISALES_URL 中的主机和端口；请出口代理的管理员放行，或把该主机写入 NO_PROXY',
  ],
  'no-token': () => ['令牌没有及时取得', '查明登录为什么失败'],
  overloaded: () => ['进行中或等待中的调用过多', '先查 iSales 是否缓慢，再考虑调大 MAX_IN_FLIGHT'],
  'no-connection': () => ['没有及时得到到 iSales 的空闲连接', '请联系 iSales 的管理员查明为何缓慢'],
  internal: () => ['代理自身出错', '请报告此问题，并附上日志中的 unexpected 行'],
  closed: () => ['代理正在停止，连接已关闭', ''],
  invalid: () => ['请求无法写成 HTTP', '更正 CTI-OBS 发送的内容'],
  timeout: ({ host, limit }) => [
    `${host} 没有在 ${limit} 内响应`,
    '请联系 iSales 的管理员查明为何缓慢',
  ],
  lost: ({ host }) => [
    `${host} 没有响应就关闭了连接`,
    '请联系 iSales 的管理员，以及它前面的网关或防火墙的管理员',
  ],
  broken: () => [
    'iSales 的响应中断或格式错误',
    '请联系 iSales 的管理员，以及它前面的网关或防火墙的管理员',
  ],
  'call-refused': () => [
    'iSales 返回 500：按其文档，这是业务失败',
    '检查 CTI-OBS 发送的参数，然后联系 iSales 的管理员',
  ],
  'path-unknown': ({ status }) => [
    `iSales 返回 ${status}：没有这个路径`,
    '更正 ISALES_LOGIN_PATH，或 ISALES_URL 中的主机名',
  ],
  'proxy-login': () => [
    '通往 iSales 的某个代理返回 407：它要求用户名和密码',
    '检查 HTTPS_PROXY，或联系该代理的管理员',
  ],
  throttled: () => [
    'iSales 返回 429：请求过多',
    '请等待，代理会自动重试；查找是否有其他程序在使用该账号',
  ],
  maintenance: () => ['iSales 返回 503：正在维护或过载', '请联系其管理员；这里无须处理'],
  gateway: ({ status }) => [
    `iSales 前面的网关返回 ${status}：其后的 iSales 停机或缓慢`,
    '请联系 iSales 的管理员；这里无须处理',
  ],
  'server-error': ({ status }) => [
    `iSales 返回 ${status}：iSales 自身出错`,
    '请联系其管理员；这里无须处理',
  ],
  'page-refused': ({ status }) => [
    `收到状态码为 ${status} 的网页。iSales 不返回网页：它来自 iSales 前面的网关或防火墙`,
    '请联系通往 iSales 的网关、防火墙或出口代理的管理员；重新登录无济于事',
  ],
  'not-isales': ({ host }) => [
    `${host} 上应答的不是 iSales，或不是它的登录接口`,
    '检查 ISALES_URL 和 ISALES_LOGIN_PATH',
  ],
  account: () => [
    'iSales 以 401 拒绝登录：服务未购买，或账号被锁定、停用',
    '请 iSales 的管理员解锁或重新启用该账号，然后运行 isales-auth-proxy renew',
  ],
  password: (at) => ['iSales 拒绝了用户名或密码', correctPassword(at)],
  values: (at) => [
    'iSales 以 400 拒绝登录：按其文档，请求或参数值有误',
    `${correctPassword(at)}。检查 ISALES_LOGIN_PATH`,
  ],
  business: (at) => [
    'iSales 以 500 拒绝登录：按其文档，某个参数值有误',
    `${correctPassword(at)}。${IF_RIGHT}`,
  ],
  result: (at) => ['iSales 拒绝登录：其 result 不为 0', `${correctPassword(at)}。${IF_RIGHT}`],
  'refresh-refused': () => ['iSales 拒绝了刷新令牌，因此代理改为登录', ''],
  'same-token': () => ['刷新得到的仍是被 iSales 拒绝的令牌', ''],
  'disk-full': ({ host }) => [`${host} 所在的磁盘已满`, '清理该磁盘'],
  'disk-denied': ({ host }) => [
    `当前用户无权读写 ${host}`,
    '让该目录及其中的文件属于代理的用户，权限分别为 700 和 600',
  ],
  'disk-readonly': ({ host }) => [
    `${host} 所在的磁盘是只读的`,
    '以可写方式挂载，或把 STATE_DIR 设为可写的目录',
  ],
  'disk-no-links': ({ host }) => [
    `${host} 所在的磁盘不支持硬链接`,
    '把 STATE_DIR 设为支持硬链接的磁盘上的目录',
  ],
  'disk-slow': ({ host }) => [
    `${host} 所在的磁盘没有在 1 秒内写入登录记录`,
    '检查该磁盘，以及到它的网络',
  ],
  'disk-foreign': ({ host }) => [
    `${host} 中的 book-*.json 不是登录记录`,
    '删除该文件，或把 STATE_DIR 设为单独的目录',
  ],
  'disk-failed': ({ host }) => [`无法写入 ${host}`, '修复磁盘，或把 STATE_DIR 设为其他目录'],
}

const stores: Words['stores'] = {
  unreachable: (host) => [
    `无法连接共享存储 ${host}`,
    '检查 SESSION_STORE_URL（有 TLS 用 rediss://，没有用 redis://）和网络，以及存储是否在运行',
  ],
  timeout: (host) => [`共享存储 ${host} 太慢`, '检查其 CPU 和内存，以及到它的网络'],
  tls: (host) => [
    `与共享存储 ${host} 的 TLS 失败`,
    '检查 SESSION_STORE_CA_FILE、存储的证书和本机时钟',
  ],
  refused: (_, code = '') => [
    `共享存储拒绝了请求${code && `（${code}）`}`,
    '在 docs/sharing.md 中查找该代码',
  ],
  malformed: () => [
    'SESSION_STORE_URL 上应答的不是本代理能理解的 Valkey 或 Redis',
    '更正 SESSION_STORE_URL',
  ],
}

const page: Words['page'] = {
  justNow: '刚刚',
  ago: ({ time }) => `${time}前`,
  for: ({ time }) => `还有 ${time}`,
  in: ({ time }) => `${time}后`,
  ended: '已结束',
  endedAt: ({ time }) => `已于 ${time} 结束`,
  never: '从未',
  none: '无',
  now: '现在',
  pause: '暂停刷新',
  resume: ({ seconds }) => `每 ${seconds} 秒刷新`,
  otherLanguage: 'English',
  runbook: '排查与处理',
  version: ({ version }) => `版本 ${version}`,
  up: ({ time }) => `已运行 ${time}`,
  copy: '供技术支持复制的文本',
  copyHint: '全选复制：其中没有密码和令牌。',
  budget: '即使无法再登录，调用仍可维持',
  failedFor: ({ time }) => `${time}内失败`,
  refusedInMinute: '最近一分钟被拒绝',
  failedOf: ({ failed, total }) => `${failed} / ${total}`,
  nextAttemptIn: '距下次尝试',
  nextAttempt: '下次尝试',
  usable: ({ time, life }) => `令牌还能使用 ${time}，共 ${life}。`,
  notUsable: '令牌不可用。',
  obtained: ({ time }) => `取得于 ${time}`,
  ends: ({ time, rest }) => `${time} 到期；最后 ${rest}不使用`,
  renewalIn: ({ time }) => `${time}后续期`,
  attemptIn: ({ time }) => `${time}后重试`,
  renewal: '续期',
  nextRenewal: '下次续期',
  notPlanned: '未计划',
  inProgress: ({ operation }) => `正在${operation}`,
  backoff: '重试策略',
  failedInRow: '连续失败',
  lastSuccess: '上次成功',
  sharedToken: '共享令牌',
  shared: '共享',
  adopted: ({ shared, ago }) => `${shared}；本令牌 ${ago}取自其他副本`,
  token: '令牌',
  tokensSoFar: '已取得令牌',
  refreshToken: '刷新令牌',
  endNotKnown: '到期时间未知',
  rejectedEarly: '提前被拒绝',
  conflicts: '账号冲突',
  secretChanged: '密码变更',
  occurred: ({ count, ago }) => `${count} 次，最近 ${ago}`,
  calls: '调用',
  lastMinute: '最近一分钟',
  refusedByIsales: '被 iSales 拒绝',
  failed: '失败',
  succeeded: '成功',
  lastFailed: '最近一次失败',
  inFlight: '进行中',
  waitingForToken: '等待令牌',
  sinceStart: '启动以来已结束',
  withStatus: ({ status }) => `其中 ${status}`,
  saved: '重发后成功',
  certificates: '证书',
  listenerCertificate: '本代理',
  clientCertificate: '用于 iSales',
  caCertificate: 'iSales 的 CA',
  hour: '最近一小时的调用',
  hourLabel: ({ succeeded, refused, failed, requests, failures }) =>
    `最近一小时的调用：成功 ${succeeded}，被 iSales 拒绝 ${refused}，失败 ${failed}。登录和刷新 ${requests} 次，其中 ${failures} 次失败。`,
  perMinute: ({ count }) => `每分钟，最多 ${count}`,
  hourAgo: '1 小时前',
  minuteTitle: ({ time, succeeded, refused, failed }) =>
    `${time}：成功 ${succeeded}，被 iSales 拒绝 ${refused}，失败 ${failed}`,
  login: '登录',
  refresh: '刷新',
  failedLogin: '登录或刷新失败',
  failedCalls: '最近未成功的调用',
  failedPaths: '最近一小时未成功的路径',
  failedLogins: '失败的登录和刷新',
  errors: '代理自行返回的错误',
  time: '时间',
  call: '调用',
  status: '状态码',
  code: '错误码',
  requestId: '请求 ID',
  path: '路径',
  refused: '被拒绝',
  failedCount: '失败',
  reason: '原因',
  meaning: '含义',
  count: '次数',
  last: '最近',
  configuration: '配置',
  setHere: '本实例的设置',
  defaults: '默认值',
  setting: '设置',
  value: '值',
  from: '来源',
  environment: '环境变量',
  file: ({ path }) => `文件 ${path}`,
  notSet: '未设置',
  empty: '空',
  alone: ({ ago }) => `单独运行；始于${ago}`,
  times: '次数',
}

const findings: Words['findings'] = {
  draining: { title: '正在停止', reason: '正在完成进行中的调用；不再接受新连接', remedy: '' },
  conflict: {
    title: '有其他程序使用同一账号',
    reason: ({ service }) => `iSales 反复提前拒绝我们的令牌。${service}`,
    remedy:
      '让各副本共享一个令牌（SESSION_STORE_URL），给每个实例单独的用户，或只运行一个实例。如果没有其他程序使用该用户，请向 iSales 的管理员确认各节点是否互认令牌',
  },
  waiting: { title: '正在登录', reason: '登录正在进行，调用正在等待令牌', remedy: '' },
  login: {
    title: '无法登录 iSales',
    reason: ({ what, pause, service }) => zh.sentences(what, pause, service),
    remedy: ({ todo, last }) => zh.sentences(todo, last),
  },
  clock: {
    title: '系统时钟不准',
    reason: ({ what, service }) => zh.sentences(what, service),
    remedy: ({ todo }) => todo,
  },
  rejected: {
    title: '令牌被拒绝',
    reason: '登录成功，但 iSales 拒绝携带该令牌的所有调用',
    remedy:
      '检查 ISALES_TOKEN_HEADER 是否适合这个 iSales（isales-auth-proxy check --live 可以找出），以及该账号是否有权进行这些调用',
  },
  calls: {
    title: '调用失败',
    reason: ({ counted, what }) => zh.sentences(counted, what),
    remedy: ({ todo }) => todo,
  },
  refusals: {
    title: '调用被拒绝',
    reason: ({ what }) => what,
    remedy: ({ todo }) => todo,
  },
  slow: {
    title: 'iSales 响应缓慢',
    reason: ({ slow, total }) =>
      `最近一分钟 ${total} 次调用中有 ${slow} 次 iSales 用时超过 2 秒。CTI-OBS 在 3 秒后放弃`,
    remedy: '请联系 iSales 的管理员。在此之前，可同时调大 CLIENT_DEADLINE 和 CTI-OBS 的 timeout',
  },
  lifetime: {
    title: '令牌的有效期不合理',
    reason:
      'iSales 给出的有效期超过 24 小时，很可能把毫秒当成了秒。在有令牌实际活得更久之前，按 5 分钟计算',
    remedy: '请厂商在 tokenExpirationTime 中以秒为单位；这里无须处理',
  },
  state: {
    title: 'STATE_DIR 无法使用',
    reason: ({ what }) => zh.sentences(what, '登录次数只记在内存中，重启后会丢失'),
    remedy: ({ todo }) => zh.sentences(todo, '登录不会等待它'),
  },
  files: {
    title: '文件无法使用',
    reason: ({ what }) => zh.sentences(what, '继续使用此前读到的内容'),
    remedy: ({ todo }) =>
      zh.sentences(todo, '文件更正后几秒内即生效。在此之前不要重启代理：重启后将无法启动'),
  },
  store: {
    title: '无法使用共享存储',
    reason: ({ what }) => zh.sentences(what, '本副本单独续期，可能会结束其他副本的令牌'),
    remedy: ({ todo }) => todo,
  },
  recovering: {
    title: '正在恢复',
    reason: ({ time, succeeded, failed, what }) =>
      `${time}内没有调用失败，其间成功 ${succeeded} 次。此前一分钟内失败了 ${failed} 次，当时的原因：${what}`,
    remedy: '',
  },
  mistakes: {
    title: 'CTI-OBS 发送了不会转发的请求',
    reason: ({ count, codes }) =>
      `最近一分钟代理拒绝了 ${count} 个请求：${codes}。它们不计入下面的调用`,
    remedy:
      'docs/errors.zh-CN.md 说明每个错误码如何更正；常见的是 obsUrl 以斜杠结尾，或其主机名不在 ALLOWED_HOSTS 中',
  },
  clients: {
    title: '客户端无法连接或登录本代理',
    reason: ({ count, what }) => `最近一分钟 ${count} 次。${what}`,
    remedy: ({ todo }) => todo,
  },
  healthy: { title: '正常', reason: ({ good }) => good, remedy: '' },
}

export const zh: Words = {
  coded: (what, code) => (code === '' ? what : `${what}（${code}）`),
  comma: '，',
  status: (status) => `状态码 ${status}`,
  sentences: (...parts) =>
    parts
      .filter((part) => part !== '')
      .map((part) => `${part}${/[。？！]$/.test(part) ? '' : '。'}`)
      .join(''),
  line: (what, todo) => (todo === '' ? what : `${what}。${todo}`),
  host: (side, host) => (side === 'egress' ? `出口代理 ${host}` : host),
  causes,
  stores,
  authFailures: {
    rejected: '被 iSales 拒绝（400、401 或 403）',
    result: 'result 不为 0（200 或 500）',
    throttled: '请求过多（429）',
    unavailable: '无连接，或 5xx',
    timeout: '没有及时响应',
    tls: '证书或握手失败',
    malformed: '无法理解的响应',
  },
  handshakes: {
    'plain-http': '客户端使用明文 HTTP，而此端口使用 TLS：请在客户端改用 https',
    'no-certificate': '客户端没有出示证书，而 LISTEN_CLIENT_CA_FILE 要求证书',
    'unknown-ca': '客户端的证书不是由 LISTEN_CLIENT_CA_FILE 中的 CA 签发',
    'bad-certificate': '客户端的证书已过期，或因其他原因无效',
    'other-name': '客户端的证书没有 LISTEN_CLIENT_NAMES 中的任何名称',
    'not-trusted': '客户端不信任本代理的证书',
    protocol: '客户端没有使用 TLS，或双方没有共同的版本或加密套件',
    timeout: '客户端没有在 5 秒内完成握手',
    closed: '客户端先关闭了连接，例如端口扫描或 TCP 探测，或因连接数上限被关闭',
  },
  backoffs: {
    none: '无',
    transient: '等待重试',
    rejected: '用户名或密码被拒绝',
    guarded: '为防锁定，暂缓登录',
  },
  findings,
  refusals: {
    account: ({ count, total, paths }) => [
      `最近一分钟 ${total} 次调用中有 ${count} 次被 iSales 拒绝；其他调用用同一令牌成功。最近一小时被拒绝的路径：${paths}`,
      '该账号无权进行这些调用：请在 iSales 中给该用户授权，或让 CTI-OBS 不再调用',
    ],
    gateway: ({ count, paths }) => [
      `最近一分钟有 ${count} 次调用得到网页，或被重定向到网页。iSales 不返回网页：应答的是它前面的网关或防火墙。最近一小时的路径：${paths}`,
      '请联系通往 iSales 的网关、防火墙或出口代理的管理员；本代理重新登录无济于事',
    ],
    call: ({ count, total }) => [
      `最近一分钟 ${total} 次调用中有 ${count} 次得到 iSales 的错误响应（400 到 499）：问题在调用本身，不在令牌`,
      '在 CTI-OBS 的日志中查看状态码。对照 iSales 文档检查它发送的路径和参数；如果是 429，让它少调用一些',
    ],
  },
  problems: {
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
  },
  parts: {
    obsLogin: 'CTI-OBS 登录时所用的用户名或密码与本代理的设置不符，或登录过于频繁',
    sameCredentials: '让其 OBS URL 资源的用户名和密码与 OBS_USER 和 OBS_PASSWORD 一致',
    sameAuthorities:
      '更正 obsUrl 和 CTI-OBS 的证书，或 LISTEN_TLS_CERT_FILE 和 LISTEN_CLIENT_CA_FILE',
    failedBefore: '用这个用户名和密码的登录此前失败过',
    formerLog: '失败的进程（之前的进程或另一个副本）的日志说明了原因',
    restart: '仅重启没有用',
    renew: '问题解决后，运行 isales-auth-proxy renew 可不等暂停结束就登录',
    tokenServes: '当前令牌仍在使用',
    tokenEnds: ({ time }) => `当前令牌在到期前继续使用；${time}后调用会失败`,
    tokenRejected: 'iSales 也拒绝当前令牌；登录成功之前，调用会失败',
    noService: '登录成功之前，调用会返回 503',
    allFailed: ({ time, failed }) => `已有 ${time}没有一次调用成功：${failed} 次全部失败`,
    failedOf: ({ failed, total, period }) => `${period} ${total} 次调用中有 ${failed} 次失败`,
    everyCall: '最近一分钟的所有调用都携带有效令牌到达 iSales',
    noCall: '令牌有效。最近一分钟没有调用',
    idle: '超过 TOKEN_IDLE_AFTER 没有调用；下一次调用会先登录',
    minute: '最近一分钟',
    twentySeconds: '最近 20 秒内',
    pause: ({ until }) => `为避免锁定账号，登录暂停到 ${until}`,
  },
  units: { day: '天', hour: '小时', minute: '分', second: '秒', millisecond: '毫秒' },
  page,
  admin: {
    method: '只接受 GET 和 HEAD',
    host: 'Host 不是本代理，也不在 ALLOWED_HOSTS 中。请用地址打开，或加入该名称',
    missing: '未找到',
    failed: '内部错误',
  },
  settings,
  help,
  commands,
  exitCodes,
  command,
  listening,
  running,
  check,
  renew,
}
