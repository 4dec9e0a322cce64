import type { At, Words } from './en.ts'

const peers = {
  isales: ' iSales ',
  egress: '出口代理',
  store: '共享存储',
  client: '客户端',
} as const
const PEERS = {
  isales: 'iSales ',
  egress: '出口代理',
  store: '共享存储',
  client: '客户端',
} as const

const named = (name: string): string => (name === '' ? '' : `（${name}）`)

const correctPassword = ({ passwordFile }: At): string =>
  passwordFile === ''
    ? '更正 ISALES_USER 和 ISALES_PASSWORD，然后重启代理：它们来自环境变量'
    : `更正用户名或密码（密码读自 ${passwordFile}）：修改后几秒内自动重试`

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
  'other-name': ({ side, host, url, certificate: { name } }) => [
    `${PEERS[side]}的证书${named(name)}与主机名 ${host} 不符`,
    side === 'isales'
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
      ? '把 SESSION_STORE_CLIENT_CERT_FILE 和 SESSION_STORE_CLIENT_KEY_FILE 设为对方接受的证书和私钥'
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
    `${host} 拒绝连接 iSales`,
    '请其管理员放行 ISALES_URL 的主机和端口，或把该主机写入 NO_PROXY',
  ],
  closed: () => ['代理正在停止，连接已关闭', ''],
  invalid: () => ['请求无法写成 HTTP', '更正 CTI-OBS 发送的内容'],
  timeout: ({ host, limit }) => [
    `${host} 没有在 ${limit} 内响应`,
    `请联系 iSales 的管理员查明为何缓慢；确知其缓慢时才调大 ${limit}`,
  ],
  lost: ({ host }) => [
    `${host} 没有响应就关闭了连接`,
    '请联系 iSales 的管理员，以及它前面的网关或防火墙的管理员',
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
    `一个网页以 ${status} 拒绝了请求。iSales 不返回网页：它来自 iSales 前面的网关或防火墙`,
    '请联系通往 iSales 的网关、防火墙或出口代理的管理员；重新登录无济于事',
  ],
  'not-isales': ({ host }) => [
    `${host} 上应答的不是 iSales，或不是它的登录接口`,
    '检查 ISALES_URL 和 ISALES_LOGIN_PATH',
  ],
  account: ({ stateDir }) => [
    'iSales 以 401 拒绝登录：服务未购买，或账号被锁定、停用',
    stateDir === ''
      ? '请 iSales 的管理员解锁或重新启用该账号，然后向代理发送 SIGHUP'
      : `请 iSales 的管理员解锁或重新启用该账号，然后运行 STATE_DIR=${stateDir} isales-auth-proxy renew`,
  ],
  password: (at) => ['iSales 拒绝了用户名或密码', correctPassword(at)],
  values: (at) => [
    'iSales 以 400 拒绝登录：按其文档，请求或参数值有误',
    `${correctPassword(at)}。检查 ISALES_LOGIN_PATH`,
  ],
  business: (at) => ['iSales 以 500 拒绝登录：按其文档，某个参数值有误', correctPassword(at)],
  result: (at) => ['iSales 拒绝登录：其 result 不为 0', correctPassword(at)],
  'same-token': () => ['刷新得到的仍是被 iSales 拒绝的令牌', ''],
}

const stores: Words['stores'] = {
  unreachable: (host) => [
    `无法连接共享存储 ${host}`,
    '检查 SESSION_STORE_URL 和网络，以及存储是否在运行',
  ],
  timeout: (host) => [`共享存储 ${host} 太慢`, '检查其 CPU 和内存，以及到它的网络'],
  tls: (host) => [
    `与共享存储 ${host} 的 TLS 失败`,
    '检查 SESSION_STORE_CA_FILE、存储的证书和本机时钟',
  ],
  auth: () => [
    '共享存储拒绝了用户名或密码',
    '更正 SESSION_STORE_PASSWORD，或 SESSION_STORE_URL 中的用户',
  ],
  denied: () => ['共享存储处于保护模式', '为其设置密码，或在其配置中写 protected-mode no'],
  permission: () => ['该用户无权在共享存储中执行此操作', '授予 docs/sharing.md 列出的权限'],
  readonly: () => ['共享存储是只读副本', '在 SESSION_STORE_URL 中写主节点'],
  memory: () => ['共享存储内存已满', '调大存储的 maxmemory'],
  'wrong-type': () => ['其他程序写入了共享存储中属于本代理的键', '为本代理使用单独的存储或数据库'],
  cluster: () => ['共享存储属于集群', '使用不属于集群的存储'],
  loading: () => ['共享存储正在加载数据', '请等待，代理会自动重试'],
  replicas: () => ['共享存储的副本太少，无法写入', '恢复其副本，或调小 min-replicas-to-write'],
  refused: () => ['共享存储拒绝了操作', '查看存储的日志'],
  malformed: () => [
    'SESSION_STORE_URL 上应答的不是本代理能理解的 Valkey 或 Redis',
    '更正 SESSION_STORE_URL',
  ],
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
    'not-trusted': '客户端不信任本代理的证书',
    protocol: '客户端没有使用 TLS，或双方没有共同的版本或加密套件',
    timeout: '客户端没有在 5 秒内完成握手',
    closed: '客户端先关闭了连接，例如端口扫描或 TCP 探测，或因连接数上限被关闭',
  },
}
