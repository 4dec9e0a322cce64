import type { ProblemCode } from '../src/http/problem.ts'

/** What docs/errors.zh-CN.md says of each code. Its titles are those of the status page. */
export const EXPLANATIONS_ZH: Readonly<
  Record<ProblemCode, { readonly meaning: string; readonly remedy: string }>
> = {
  'no-token': {
    meaning: '在 `CLIENT_DEADLINE` 的十分之九内没有取得令牌：登录 iSales 失败或太慢。',
    remedy:
      'CTI-OBS 可以在 `Retry-After` 之后重复调用。查明登录为什么失败：[IsalesProxyNotAuthenticated](operations.zh-CN.md#isalesproxynotauthenticated)；iSales 拒绝密码时见 [IsalesProxyAccountRejected](operations.zh-CN.md#isalesproxyaccountrejected)。',
  },
  overloaded: {
    meaning: '打开的请求或连接过多，或请求体合计超过 32 MiB。',
    remedy: 'CTI-OBS 可以重复调用。先查 iSales 是否缓慢，再考虑调大 `MAX_IN_FLIGHT`。',
  },
  'shutting-down': {
    meaning: '进程即将结束，而该调用仍在等待令牌。',
    remedy: 'CTI-OBS 可以换一个连接重复调用。',
  },
  'out-of-time': {
    meaning: '在得到到 iSales 的空闲连接之前，`CLIENT_DEADLINE` 已到。',
    remedy: 'CTI-OBS 可以重复调用。先查 iSales 是否缓慢。',
  },
  'upstream-unreachable': {
    meaning:
      '没有建立到 iSales 的连接：DNS、TCP 或出口代理有问题。`isales_proxy_upstream_connect_failures_total` 说明是哪一个。',
    remedy:
      'CTI-OBS 可以重复调用。检查到 `ISALES_URL` 的网络（DNS、防火墙、`HTTPS_PROXY`），然后联系 iSales 的管理员。',
  },
  'upstream-tls': {
    meaning: '与 iSales 的 TLS 失败：它的证书不可信，或它不接受我们的证书。',
    remedy:
      '检查 iSales 的证书、`ISALES_CA_FILE` 和 `ISALES_CLIENT_CERT_FILE`。`check --live` 会说明原因。',
  },
  'upstream-broken': {
    meaning: '请求发出之后连接断开，或响应不是有效的 HTTP。',
    remedy:
      'iSales 可能已经执行了该调用：手工重复之前先在 iSales 中核对。如果经常出现，联系 iSales 或其前面设备的管理员。',
  },
  'upstream-timeout': {
    meaning: '请求发出之后 `CLIENT_DEADLINE` 已到。',
    remedy:
      'iSales 可能已经执行了该调用：手工重复之前先在 iSales 中核对。联系 iSales 的管理员；可以同时调大 `CLIENT_DEADLINE` 和 CTI-OBS 的 `timeout`。',
  },
  internal: {
    meaning: '程序自身的错误。',
    remedy: '请报告，并附上日志中的 `unexpected` 行。',
  },
  'bad-request': {
    meaning: '它不是 HTTP/1.1，或其形式会把一个请求藏在另一个之中。',
    remedy: '更正客户端，或它与代理之间的设备；`detail` 说明哪里不对。',
  },
  'not-allowed': {
    meaning: '该路径不转发，或请求来自浏览器。',
    remedy:
      '`obsUrl` 以斜杠结尾：去掉斜杠。您的 iSales 有别的路径：把它的前缀加入 `ALLOWED_PATHS`。登录：把 `loginUri` 写成 `ISALES_LOGIN_PATH`。',
  },
  'method-not-allowed': {
    meaning: '不转发 CONNECT 和 TRACE。',
    remedy: '本代理不是出口代理：不要在客户端把它设为 `HTTP_PROXY`。',
  },
  'not-logged-in': {
    meaning:
      '设置了 `OBS_USER` 时，调用需要本代理的票据，而这次没有有效的票据。响应体是 iSales 公布的格式，不是本页的格式。',
    remedy:
      'CTI-OBS 会自己重新登录。如果一直如此：`OBS_USER`、`OBS_PASSWORD` 与 CTI-OBS 中的不同，或各副本不一致。',
  },
  'request-timeout': {
    meaning:
      '请求头没有在 15 秒内到达，或请求体 5 秒内没有任何数据，或在 `CLIENT_DEADLINE` 之前没有全部到达。',
    remedy: '查找卡住的客户端，或丢包的网络。',
  },
  'too-large': {
    meaning: '请求体超过 `MAX_BODY_SIZE`。',
    remedy: '如果确实需要这样的调用，调大 `MAX_BODY_SIZE`。',
  },
  'expectation-failed': {
    meaning: '`Expect` 不是 `100-continue`。',
    remedy: '更正客户端。',
  },
  misdirected: {
    meaning: '请求的主机名或协议不是本代理的：用来防止 DNS 重绑定。',
    remedy: '把 `obsUrl` 的主机名加入 `ALLOWED_HOSTS`。',
  },
  'headers-too-large': {
    meaning: '请求头超过 16 KiB，或多于 200 个。',
    remedy: '更正客户端。',
  },
  'loop-detected': {
    meaning: '请求的 `Via` 中有本进程：`ISALES_URL` 又指回了代理。',
    remedy: '更正 `ISALES_URL`；`isales-auth-proxy check` 会对此发出警告。',
  },
  'not-implemented': {
    meaning: '传输编码不是 `chunked`。',
    remedy: '更正客户端。',
  },
}

export const CAUSES_ZH = {
  'CTI-OBS': 'CTI-OBS',
  'iSales, or the network to it': 'iSales，或到它的网络',
  'This proxy': '本代理',
  Load: '负载',
  'The configuration': '配置',
} as const
