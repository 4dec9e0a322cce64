import type { settings as english } from './en-settings.ts'

const docs: (typeof english)['docs'] = {
  isalesUrl:
    'CC-iSales 的位置：协议、主机和端口。明文 http 只接受环回地址，除非设置 `ISALES_ALLOW_HTTP=true`。',
  isalesAllowHttp:
    '接受不是环回地址的 `http://`。只为没有 TLS 的测试环境设置：密码和令牌会以明文经过网络。',
  isalesUser: '登录 CC-iSales 的用户。请使用没有其他人登录的用户：iSales 可能会结束另一方的会话。',
  isalesPassword: '该用户的密码。建议使用文件：文件会被监视，修改后的密码无须重启即可生效。',
  isalesLoginPath:
    '登录调用的路径。如果您的 iSales 在添加前缀的网关之后，请修改它：接口在它旁边被调用。',
  isalesRefreshPath:
    '刷新调用的路径。如果 iSales 的刷新不可用，设为 `off`，即总是登录；或设为 `discover` 找到的路径。',
  isalesTokenHeaders:
    '业务调用中携带令牌的请求头。接口的英文版要求 `Authorization`，中文版要求 `Authentication`；两者可以都列出。',
  isalesTokenScheme: '这些请求头中令牌之前的词。如果 iSales 只要令牌本身，设为空。',
  isalesTokenField: '登录得到的两个令牌中，哪一个放入请求头。中文版接口要求 `refreshToken`。',
  isalesRefreshHeaderToken:
    '刷新调用在 `Authentication` 中携带哪个令牌；`off` 表示不携带。中文版接口要求 `refreshToken`。',
  isalesRejectedStatuses:
    '业务调用的哪些状态码表示令牌无效：此时更换令牌并把调用再发一次。请加入您的 iSales 返回的状态码，`discover` 可以找出。',
  isalesRejectedResults:
    '在 200 响应中，哪些 `result` 值含义相同。只有您的 iSales 这样响应时才设置：此时会检查不超过 64 KiB 的响应，这需要时间。',
  isalesCaFile:
    'PEM 文件，包含用来验证 iSales 的 CA 证书，代替公共 CA：用于证书由您自己的 CA 签发的 iSales。文件变化时重新读取。',
  isalesTlsServerName:
    'TLS 握手中发送的名称（SNI），iSales 的证书也按它验证。当 `ISALES_URL` 是地址，或是证书中没有的内网名称时设置。',
  isalesClientCertFile:
    'PEM 文件，包含向 iSales 出示的客户端证书（及其证书链），当 iSales 或网关要求时设置。文件变化时重新读取。',
  isalesClientKeyFile: 'PEM 文件，包含该证书的私钥，不加密。文件变化时重新读取。',
  isalesLoginTimeout: '一次登录或刷新总共可以用多长时间。如果已知 iSales 登录缓慢，请调大。',
  isalesKeepAlive: '到 iSales 的空闲连接保留多长时间。应小于 iSales 或它前面的负载均衡保留的时间。',
  isalesMaxConnections:
    '到 iSales 的最大连接数；更多的请求等待空闲连接。如果 iSales 或防火墙限制单个客户端的连接数，请调小。',
  httpsProxy:
    '通往 https 的 iSales 所经过的 HTTP 代理，当您的网络要求时设置。它可以包含用户名和密码，因此按机密对待。',
  noProxy:
    '设置了全局的 `HTTPS_PROXY` 时，哪些主机不经过该代理：名称（及其子域名）、地址、`10.0.0.0/8` 这样的网段，或 `*`；后面可以加 `:port`。',
  tokenRenewAt:
    '令牌用到其有效期的多大比例时续期（带 ±5 % 的抖动）。调小可以为 iSales 停机留出更多时间。',
  tokenIdleAfter:
    '这么长时间没有业务调用，令牌就不再续期，下一次调用会先登录；此时就绪表示上一次登录成功。用于共用一个用户的主备两台中的备机，因为每次登录都会结束另一台的会话。`off` 表示总是续期。',
  stateDir:
    '重启后仍保留的目录，存放登录记录：iSales 拒绝过哪些凭据多少次（只存慢速散列，不存凭据）。有了它，重启和其他进程不会因错误密码锁定账号。`emptyDir` 也可以。不设置时只记在内存中。',
  loginRejectedAttempts:
    '同一凭据被拒绝这么多次之后，15 分钟后尝试一次，此后每 4 小时一次，以免锁定账号。应小于您的系统锁定账号的错误密码次数。',
  sessionStoreUrl:
    '多个副本共享一个令牌所用的 Valkey 或 Redis。不设置时各副本自行登录，也不加载相关代码。',
  sessionStoreKey:
    '封装共享令牌的密钥，所有副本相同：`openssl rand -base64 32`。同时拥有它和存储的人就拥有令牌。设置了 `SESSION_STORE_URL` 时必填。',
  sessionStorePassword:
    '存储的密码；优先于 URL 中的密码。建议使用文件，否则能看到设置的人就能看到它。',
  sessionStoreCaFile:
    'PEM 文件，包含用来验证存储的 CA 证书，代替公共 CA：用于证书由您自己的 CA 签发的存储。每次连接时重新读取。',
  sessionStoreClientCertFile:
    'PEM 文件，包含向存储出示的客户端证书（及其证书链），当存储要求时设置。每次连接时重新读取。',
  sessionStoreClientKeyFile: 'PEM 文件，包含该证书的私钥，不加密。每次连接时重新读取。',
  listen:
    'CTI-OBS 连接的地址。环回地址之外要求 `OBS_LOGIN=require` 或 `LISTEN_CLIENT_CA_FILE`。端口 0 表示取一个空闲端口并写入日志。',
  listenTlsCertFile:
    'PEM 文件，包含提供 HTTPS 所用的证书（及其证书链），当 CTI-OBS 经网络连接时设置。文件变化时重新读取，不断开连接。',
  listenTlsKeyFile: 'PEM 文件，包含该证书的私钥，不加密。文件变化时重新读取。',
  listenClientCaFile:
    'PEM 文件，包含客户端的 CA 证书。当 CTI-OBS 有客户端证书时设置：没有其证书的客户端不予服务。',
  unsafeListen:
    '为能访问非环回 `LISTEN` 的任何人服务。这样的人就能以 `ISALES_USER` 的身份调用 iSales；只用于以其他方式封闭的网络。',
  allowedHosts:
    '请求的 `Host` 中还可以出现的名称，对代理和状态页都有效。监听地址、环回名称，以及状态页上本机的名称总是可以；如果 `obsUrl` 使用别的名称，或浏览器用别的名称打开状态页，请列在这里。',
  allowedPaths:
    '会转发的路径前缀；其他路径得到 403。如果您的 iSales 使用别的路径，请设置。`/` 表示全部放行。上一级 `/rest/isales/` 还包含营销活动接口。',
  listenMaxConnections:
    '客户端的最大连接数。超过时，关闭没有进行中的调用且空闲最久的连接。如果进程可打开的描述符过少，则取较小的值并写入日志。',
  maxInFlight:
    '进行中的调用的最大数量，即请求体或其前 64 KiB 已到达的调用；更多的得到带 `Retry-After` 的 503。请按内存上限调小（docs/sizing.md）。',
  bodyIdleTimeout:
    '响应体可以停顿多长时间，以及请求体的每 1 KiB 或其结尾可以用多长时间，之后放弃该请求。如果 iSales 在响应中途停顿，请调大。',
  maxBodySize: '请求体的最大长度；更大的得到 413。如果客户端不可信，请调小。',
  replayBodySize:
    '为了用新令牌再发一次而保留的请求体的最大长度。在为请求占用到 iSales 的连接之前，会先读取这么多请求体。如果 `replays_total` 出现 `not-kept`，请调大；每个进行中的请求都可能占用这么多内存。',
  clientDeadline:
    '无论发生什么，客户端都在此时间内得到响应。应小于 OBS URL 资源的 `timeout`（默认 3 秒）。',
  drainDelay:
    '收到 SIGTERM 之后，在就绪已关闭的情况下还接受新连接多长时间。在 Kubernetes Service 之后请设为 5 秒。',
  drainTimeout:
    '此后，进行中的请求可以用多长时间完成。如果调用耗时更长，请调大；两者之和必须小于 `terminationGracePeriodSeconds`。',
  obsLogin:
    'CTI-OBS 登录时如何处理；用它决定谁可以使用 iSales 的令牌。`answer`：任何请求者都得到票据。`require`：只有使用 `OBS_USER` 和 `OBS_PASSWORD` 者得到，并且每次调用都必须携带有效票据。`forward`：拒绝登录调用，调用不需要票据。',
  obsUser: 'CTI-OBS 中配置的用户（其 OBS URL 资源的 `userName`）；`OBS_LOGIN=require` 时必填。',
  obsPassword: 'CTI-OBS 中配置的密码。它不是 `ISALES_USER` 的密码；`OBS_LOGIN=require` 时必填。',
  obsTicketKey:
    '票据的密钥；使用相同密钥和相同 `OBS_PASSWORD` 的副本接受彼此的票据。不设置时只由 `OBS_PASSWORD` 派生，或每次启动时新建。可用 `openssl rand -base64 32` 生成。',
  obsNumbers:
    '我们对登录和刷新的响应中，`result` 和有效期的写法；接口文档写的是字符串，示例是数字。如果 CTI-OBS 需要文本，请设置。',
  adminListen:
    '提供指标、探针和状态页的地址，默认在所有接口上，IPv4 和 IPv6。如果没有其他机器来采集，请设为环回地址。它不提供对 iSales 的访问。',
  instance:
    '人们对这个代理的称呼：显示在状态页顶部和 `isales_proxy_info` 中。不设置时是用户名加主机名。',
  logLevel: '写入日志的最低级别；查找原因时用 `debug`。',
  logFormat:
    '每行一个 JSON 对象，或便于人阅读的行；`auto` 在终端上便于阅读，其他情况为 JSON。如果由人阅读服务的日志，请设置。',
  accessLog:
    '记录每个请求（`full`）或其中一部分，以了解 CTI-OBS 调用什么。日志行不含请求头、请求体和查询参数。',
}

const limits: (typeof english)['limits'] = {
  of: {
    address: 'host:port、[v6]:port 或 :port',
    host: '不带端口',
    hostName: '不能是地址，不带端口',
    hosts: '主机、.suffixes、host:port 或 *',
    origin: 'https（环回地址可用 http），不带路径',
    proxyUrl: 'http 或 https',
    storeUrl: 'redis、rediss、valkey 或 valkeys；一个主机',
    path: '以 / 开头；字母、数字和 . _ ~ -',
    headerName: '不能是用于划分或路由报文的请求头',
    status: '400 到 499',
    sampling: 'off、full，或 0 到 1',
    authScheme: '可以为空',
  },
  choices: (choices) => choices.join('、'),
  maybeEmpty: '可以为空',
  atLeastOne: '至少一项',
  range: (min, max, zero) => `${min} 到 ${max}${zero ? '；0 表示关闭' : ''}`,
  text: (maxBytes) => `1 到 ${maxBytes} 个字节的 UTF-8`,
  secret: (minBytes) => `${minBytes === 1 ? '不为空' : `至少 ${minBytes} 个字节`}，最多 64KiB`,
  both: (one, other) => `${one}；${other}`,
}

const wrong: (typeof english)['wrong'] = {
  portAlone: '只有端口，没有地址',
  addressAlone: '只有地址，没有端口',
  notAddress: '不是地址：host:port、[v6]:port 或 :port',
  overPort: (max) => `的端口大于 ${max}`,
  noHost: '的端口之前不是有效的主机',
  notHost: '不是主机名或地址（不带端口）',
  notHostName: '不是主机名（不能是地址，不带端口）',
  quotes: (odd, number) => `含有 ${odd}（${number}）：环境文件中的引号是值的一部分`,
  otherWidth: (odd, number, plain) => `含有 ${odd}（${number}）：请改为 ${plain}`,
  separator: (odd, number) => `含有 ${odd}（${number}）：各项之间用英文逗号分隔`,
  oddInUrl: (odd, number) => `含有 ${odd}（${number}）：URL 中没有这个字符`,
  notUrl: '不是 http 或 https 的 URL',
  login:
    '含有会显示出来的用户名或密码；iSales 的用户名和密码用 ISALES_USER 和 ISALES_PASSWORD 设置',
  query: '含有查询参数或片段；只写协议、主机和端口',
  pathInUrl: '含有路径；只写协议、主机和端口',
  notDecoded: '中的用户名或密码无法解码；其中的 % 写成 %25',
  hashInProxy: '含有 ? 或 #，在密码中写成 %3F 和 %23',
  notProxy: '不是 HTTP 代理的 URL',
  pathInProxy: '含有路径；HTTP 代理没有路径',
  notStore: '不是 redis、rediss、valkey 或 valkeys 的 URL',
  notStoreHost: '在协议之后不是 host:port；密码中的 @ / ? # 写成 %40 等形式',
  noStoreHost: '的主机或端口无效',
  noSlash: '不以 / 开头',
  tooManyCharacters: (max) => `长于 ${max} 个字符`,
  emptySegment: '有空的路径段（//）',
  oddInPath: (odd, number) =>
    `含有 ${odd}（${number}）：路径的斜杠之间只能有字母、数字和 . _ ~ -，含有其他字符的调用会被拒绝`,
  dotSegment: '有以点开头或结尾的路径段',
  notHeader: '不是请求头的名称',
  framing: '是用于划分或路由报文的请求头',
  notScheme: '不是 Bearer 这样的认证方案',
  outside: (min, max, zero) => `超出范围：${limits.range(min, max, zero)}`,
  notDuration: '不是时长，例如 250ms、2.8s、5m 或 1h（没有单位的数字是秒）',
  tooFine: '比一毫秒更细',
  notSize: '不是大小，例如 64KiB、1MiB 或 4096（字节）',
  notBytes: '不是整数个字节',
  notCount: '不是整数',
  notRatio: '不是比例，例如 0.8',
  notSampling: '不是 off、full，也不是 0.01 这样的比例',
  notStatus: '不是 400 到 499 的状态码',
  notBoolean: '不是 true 或 false',
  notChoice: (choices) => `不是其中之一：${limits.choices(choices)}`,
  control: '含有控制字符',
  tooManyBytes: (bytes, max) => `有 ${bytes} 个字节；最多 ${max} 个`,
  nul: '含有 NUL 字节',
  tooFewBytes: (min) => `短于 ${min} 个字节`,
  notFile: '不是文件路径',
  twice: '有重复的项',
  empty: '是空的',
  entry: (problem) => `有一项${problem}`,
  inFile: (problem) => `所指文件中的值${problem}`,
  shown: (problem, value) => `${problem}（现为 ${value}）`,
  file: {
    missing: '所指的文件不存在',
    denied: '所指的文件该用户无权读取',
    unreadable: '所指的文件无法读取',
    directory: '所指的是目录',
    'not-regular': '所指的不是普通文件',
    'too-large': '所指的文件过大',
    empty: '所指的文件是空的',
    'not-text': '所指的文件不是 UTF-8 文本',
  },
  over: (limit) => `（超过 ${limit}）`,
  owner: (uid, gid, mode) => `（属于 uid ${uid} 和 gid ${gid}，权限 ${mode}）`,
  notReached: (path, directory) => `所指的文件无法访问：${path}；该用户不能进入 ${directory}`,
  at: (path) => `：${path}`,
  copy: (path, original) => `：${path}，它是 ${original} 的副本`,
  noCertificate: '所指的文件中没有 PEM 证书',
  damagedCertificate: '所指文件中的证书已损坏',
  noKey: '所指的文件中没有 PEM 私钥',
  encryptedKey: '所指文件中的私钥是加密的',
  damagedKey: '所指文件中的私钥已损坏',
}

const needed = (local: boolean): string =>
  local ? 'OBS_LOGIN 为 require' : '其他机器可以访问 LISTEN，因此必须登录'

const MEANT = '如果不是有意如此，请更正'

export const settings: typeof english = {
  groups: {
    isales: 'CC-iSales',
    token: '令牌的有效期',
    sharing: '多个副本共用一个令牌',
    listener: '监听',
    obs: 'CTI-OBS',
    admin: '指标、健康状况和日志',
  },
  docs,
  derived: {
    allowedPaths: '`ISALES_LOGIN_PATH` 中 `auth/login` 之前的部分：`/rest/isales/v1/openapi/obs/`',
    obsLogin: '环回地址为 `answer`，其他为 `require`',
  },
  types: {
    address: '地址',
    authScheme: '认证方案',
    boolean: '布尔值',
    choice: '选项',
    count: '个数',
    duration: '时长',
    filePath: '文件路径',
    headerName: '请求头名称',
    host: '主机',
    hostName: '主机名',
    hosts: '主机列表',
    origin: '源地址',
    path: '路径',
    proxyUrl: '代理 URL',
    ratio: '比例',
    sampling: 'off、full 或比例',
    secret: '机密',
    size: '大小',
    status: '状态码',
    storeUrl: '存储 URL',
    text: '文本',
    list: (of) => `${of}的列表`,
    orOff: (of) => `${of}或 off`,
    inFile: (of) => `文件中的${of}`,
  },
  limits,
  wrong,
  cures: {
    like: (assignment) => `请写成 ${assignment}`,
    correctFile: (where) => `更正该文件${where}`,
    readable: '给出该用户可以读取、且只包含该值的文件的路径',
    pem: '给出该用户可以读取的 PEM 文件的路径',
    makePem:
      '须为 PEM 格式：DER 证书用 `openssl x509 -inform der` 转换，.pfx 或 .p12 文件用 `openssl pkcs12 -nodes`，.p7b 文件用 `openssl pkcs7 -print_certs`，加密的私钥用 `openssl pkey`',
    readAs: (uid) => `读取文件的用户是 uid ${uid}。`,
  },
  given: {
    notSet: (assignment, file) => [
      '没有设置',
      `请设置它${file && `，或把 ${file} 设为包含它的文件`}，例如 ${assignment}`,
    ],
    fileOnly: (file) => ['只能从文件读取', `取消它，并设置 ${file}`],
    twice: (file) => [`与 ${file} 同时设置了`, '取消其中一个'],
    notUtf8: ['不是有效的 UTF-8', '请用 UTF-8 书写'],
    windows: ['以 Windows 的换行符结尾', '把环境文件按 Unix 换行符保存'],
    fileNotUtf8: (problem) => [problem, '请用 UTF-8 书写该值'],
    fileEmpty: (problem) => [problem, '把值写入该文件'],
    unknown: (near) => [
      '不是设置项',
      near === '' ? 'docs/configuration.zh-CN.md 列出了所有设置项' : `是否想写 ${near}？`,
    ],
  },
  certificates: {
    otherKey: (certificate) => [
      `中的私钥与 ${certificate} 不是一对`,
      '给出同一对的两个文件；证书链中自己的证书在最前',
    ],
    refused: (code) => [
      `所指的证书不被本机的 OpenSSL 接受（${code}）`,
      '请签发密钥更长、签名算法更新的证书',
    ],
    ended: (day) => [`所指的证书已于 ${day} 过期`, '更换证书，或校准时钟'],
    begins: (day) => [`所指的证书从 ${day} 起才有效`, '更换证书，或校准时钟'],
  },
  rules: {
    plainHttp: [
      '是指向非环回主机的明文 http',
      '使用 https，或在无人窃听的网络上设置 ISALES_ALLOW_HTTP=true',
    ],
    itself: ['指向本代理自身', '给出 iSales 的地址，它既不是 LISTEN 也不是 ADMIN_LISTEN'],
    httpAllowed: ['已打开：密码和令牌以明文经过网络', 'iSales 支持 https 后请立即改用'],
    samePath: ['与 ISALES_LOGIN_PATH 相同', '给出刷新调用的路径，或 off'],
    open: [
      '可以从其他机器访问，而没有任何措施阻止他人',
      '监听 127.0.0.1，或设置 OBS_LOGIN=require 或 LISTEN_CLIENT_CA_FILE；UNSAFE_LISTEN=true 可以跳过此检查',
    ],
    unsafe: [
      '已打开：能访问 LISTEN 的人都能以 ISALES_USER 的身份调用 iSales',
      '如有可能，请改为设置 OBS_LOGIN=require 或 LISTEN_CLIENT_CA_FILE',
    ],
    storeWithoutTls: [
      '或 SESSION_STORE_CLIENT_CERT_FILE 已设置，而 SESSION_STORE_URL 不是 rediss 或 valkeys',
      '使用 TLS，或取消它',
    ],
    plainStore: [
      '没有 TLS，且主机不是环回地址',
      '使用 rediss 或 valkeys：令牌是封装的，存储的密码则不是',
    ],
    samePort: ['占用了 LISTEN 的端口', '给两个监听不同的端口'],
    unusedUser: [
      '已设置但没有使用，因为 OBS_LOGIN 不是 require',
      '如果只允许该用户登录，请设置 OBS_LOGIN=require',
    ],
    plainListen: ['以明文接收其他机器的密码', '设置 LISTEN_TLS_CERT_FILE 和 LISTEN_TLS_KEY_FILE'],
    fewConnections: [
      '不大于 MAX_IN_FLIGHT：达到这么多调用时，新连接会被直接关闭，而没有 503',
      '调大它，或调小 MAX_IN_FLIGHT',
    ],
    longDeadline: [
      '为 3 秒或更长：除非调大了 `timeout`，CTI-OBS 在 3 秒后放弃',
      '请调小，除非 OBS URL 资源的 `timeout` 更长',
    ],
    noDeadline: ['已关闭：CTI-OBS 可能在得到响应之前放弃', '设为小于 OBS URL 资源的 `timeout`'],
    unusedForHttp: ['没有使用，因为 ISALES_URL 是明文 http', '取消它，或使用 https'],
    otherPaths: [
      '不包含 ISALES_LOGIN_PATH 旁边的路径，对它们的调用会得到 403',
      '加入您的 iSales 的路径前缀',
    ],
    manyAttempts: ['大于 5：许多系统在 5 次错误密码后锁定账号', '应小于您的系统锁定账号的次数'],
    whiteSpace: ['以空白字符开头或结尾', MEANT],
    quotes: ['带有引号，systemd 和 `docker --env-file` 会保留引号', MEANT],
    unseen: ['含有全角字符或不可见字符，可能来自输入法或复制的文本', MEANT],
    named: ['以自身的名称和等号开头', '只保留等号之后的值；有意如此则不必改'],
    path: (file) => ['看起来是文件的路径', `改为设置 ${file}；有意如此则不必改`],
    lines: ['多于一行', MEANT],
    insecureNode: ['为 0，即接受任何证书', '取消它，用 ISALES_CA_FILE 信任您自己的 CA'],
    without: (other) => [`已设置，而 ${other} 没有设置`, '两个都设置，或都不设置'],
    noUser: (local) => [
      `没有设置，而${local ? ' ' : ''}${needed(local)}`,
      '把 OBS_USER 或 OBS_USER_FILE 设为 CTI-OBS 中配置的用户',
    ],
    noPassword: (local) => [
      `没有设置，而${local ? ' ' : ''}${needed(local)}`,
      '把 OBS_PASSWORD_FILE（或 OBS_PASSWORD）设为 CTI-OBS 中配置的密码',
    ],
    weak: (store) => [
      `容易被猜出，而${store ? '存储' : ' LISTEN '}可以从其他机器访问`,
      '使用 12 个或更多字符，其中 4 个不同，例如 `openssl rand -base64 32` 生成的',
    ],
  },
}
