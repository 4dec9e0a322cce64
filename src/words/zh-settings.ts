import type { SettingProblem } from '../setting-problem.ts'
import type { SettingSentences } from './en-settings.ts'
import type { Said } from './said.ts'

const kinds: SettingSentences['kinds'] = {
  address: 'host:port',
  choice: ({ accepted }) => `${accepted} 之一`,
  count: ({ range }) => `${range?.min} 到 ${range?.max} 的整数`,
  duration: ({ range, accepted }) =>
    `${range?.min} 到 ${range?.max} 的时长${accepted ? '或 off' : ''}`,
  file: '文件的路径',
  'client-names': '客户端证书中的名称的列表',
  'host-names': '不带端口的主机名或地址的列表',
  hosts: '以英文逗号分隔的主机、.suffixes、网段或 *',
  origin: '只含协议、主机和端口的服务器地址',
  path: ({ accepted }) => `以 / 开头、由字母、数字和 . _ ~ - 组成的路径${accepted ? '或 off' : ''}`,
  paths: '以 / 开头、由字母、数字和 . _ ~ - 组成的路径的列表',
  'proxy-url': 'HTTP 代理的 URL（密码中的 `%`、`?`、`#` 写成 `%25`、`%3F`、`%23`）',
  rejections: '400 到 499 的状态码和 `result=TEXT` 的列表',
  secret: ({ range }) => `至少 ${range?.min} 个字节、不含 NUL 的文本`,
  'server-name': '不带端口的主机名',
  size: ({ range }) => `${range?.min} 到 ${range?.max} 的大小`,
  'store-url': '指向一个主机、不含密码的 redis、rediss、valkey 或 valkeys URL',
  'token-header': '请求头名称、冒号、可有可无的认证方案，以及 `{token}` 或 `{refreshToken}`',
  user: '1 到 49 个字节、不含控制字符的文本',
}

const typed =
  (what: string) =>
  ({ found, isWarning }: SettingProblem): Said => [
    `${what}${found ? `（现为 ${found}）` : ''}`,
    isWarning ? '如果不是有意如此，请更正' : '请更正',
  ]
const PEM_FILE = '给出 PEM 文件的路径；可用 `openssl x509` 和 `openssl pkcs12 -nodes` 转换'
const DATES = '更换证书，或校准时钟'
const READABLE = '给出该用户可以读取的文件的路径'

const others: SettingSentences['others'] = {
  'own-name': ['以自身的名称和等号开头', '只保留等号之后的值'],
  spaces: typed('以空白字符开头或结尾'),
  lines: typed('多于一行'),
  quotes: typed('带有引号，`docker --env-file` 会保留引号'),
  'odd-character': typed('含有全角字符或不可见字符'),
  'is-path': ({ setting }) => ['看起来是文件的路径', `改为设置 ${setting}_FILE；有意如此则不必改`],
  'not-set': ({ accepted, example }) => [
    `没有设置${accepted ? `，也没有设置 ${accepted}` : ''}`,
    `请设置它，例如 ${example}`,
  ],
  'set-twice': ({ accepted }) => [`与 ${accepted} 同时设置了`, '取消其中一个'],
  'not-utf8': ['不是有效的 UTF-8', '请用 UTF-8 书写'],
  unknown: ({ accepted }) => [
    '不是设置项',
    accepted ? `是否想写 ${accepted}？` : 'docs/configuration.zh-CN.md 列出了所有设置项',
  ],
  missing: ['所指的文件不存在', READABLE],
  denied: ['所指的文件该用户无权读取', READABLE],
  unreadable: ['所指的文件无法读取', READABLE],
  'no-file': ['所指的是目录，或不是普通文件', READABLE],
  'too-large': ['所指的文件过大', READABLE],
  'empty-file': ['所指的文件是空的', '把值写入该文件'],
  'not-text': ['所指的文件不是 UTF-8 文本', '请用 UTF-8 书写该值'],
  'no-certificate': ['所指的文件中没有 PEM 证书，或证书已损坏', PEM_FILE],
  'no-key': ['所指的文件中没有 PEM 私钥，或私钥已损坏', PEM_FILE],
  'encrypted-key': ['所指文件中的私钥是加密的', '可用 `openssl pkey` 解密'],
  'other-key': ({ accepted }) => [
    `中的私钥与 ${accepted} 不是一对`,
    '给出同一对的两个文件；证书链中自己的证书在最前',
  ],
  'weak-certificate': ({ found }) => [
    `所指的证书不被本机的 OpenSSL 接受（${found}）`,
    '请签发密钥更长、签名算法更新的证书',
  ],
  ended: ({ found }) => [`所指的证书已于 ${found} 过期`, DATES],
  'not-begun': ({ found }) => [`所指的证书从 ${found} 起才有效`, DATES],
  'plain-http': [
    '是指向非环回主机的明文 http',
    '使用 https，或在无人窃听的网络上设置 ISALES_ALLOW_HTTP=true',
  ],
  'plain-http-allowed': ['已打开：密码和令牌以明文经过网络', 'iSales 支持 https 后请立即改用'],
  itself: ['指向本代理自身', '给出 iSales 的地址，它既不是 LISTEN 也不是 ADMIN_LISTEN'],
  'same-path': ['与 ISALES_LOGIN_PATH 相同', '给出刷新调用的路径，或 off'],
  'no-refresh-path': [
    '没有设置，也无法由不以 `auth/login` 结尾的 ISALES_LOGIN_PATH 得出',
    '设为刷新调用的路径，或 off',
  ],
  without: ({ accepted }) => [`已设置，而 ${accepted} 没有设置`, '两个都设置，或都不设置'],
  'store-without-tls': [
    '已设置，而 SESSION_STORE_URL 不是 rediss 或 valkeys',
    '使用 TLS，或取消它',
  ],
  'plain-store': [
    '没有 TLS，且主机不是环回地址',
    '使用 rediss 或 valkeys：令牌是封装的，存储的密码则不是',
  ],
  'same-port': ['占用了 LISTEN 的端口', '给两个监听不同的端口'],
  open: [
    '可以从其他机器访问，而没有任何措施阻止他人',
    '设置 OBS_USER 和 OBS_PASSWORD，或 LISTEN_CLIENT_CA_FILE，或监听 127.0.0.1；UNSAFE_LISTEN=true 可以跳过此检查',
  ],
  'open-allowed': [
    '已打开：能访问 LISTEN 的人都能以 ISALES_USER 的身份调用 iSales',
    '如有可能，请改为设置 OBS_USER 和 OBS_PASSWORD，或 LISTEN_CLIENT_CA_FILE',
  ],
  'any-client': ['接受该 CA 签发的任何证书', '在 LISTEN_CLIENT_NAMES 中写明 CTI-OBS 证书的名称'],
  'plain-listen': ['以明文接收其他机器的密码', '设置 LISTEN_TLS_CERT_FILE 和 LISTEN_TLS_KEY_FILE'],
  weak: [
    '容易被猜出，而其他机器可以尝试',
    '使用 12 个或更多字符，其中 4 个不同，例如 `openssl rand -base64 32` 生成的',
  ],
  'long-deadline': [
    '为 3 秒或更长：除非调大了 `timeout`，CTI-OBS 在 3 秒后放弃',
    '请调小，除非 OBS URL 资源的 `timeout` 更长',
  ],
  'unused-for-http': ['没有使用，因为 ISALES_URL 是明文 http', '取消它，或使用 https'],
  'other-paths': [
    '不包含 ISALES_LOGIN_PATH 旁边的路径，对它们的调用会得到 403',
    '加入您的 iSales 的路径前缀',
  ],
  'insecure-node': ['为 0，即接受任何证书', '取消它，用 ISALES_CA_FILE 信任您自己的 CA'],
}

export const settings: SettingSentences = {
  kinds,
  isNot: (found, kind, example) => {
    const is = `不是${/^[!-~]/.test(kind) ? ' ' : ''}${kind}${example === undefined ? '' : `，例如 ${example}`}`
    return found === undefined ? is : `为 ${found}，${is}`
  },
  at: (file) => `（文件 ${file}）`,
  others,
}
