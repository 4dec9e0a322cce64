import type { Words } from './en.ts'

export const help: Words['help'] = {
  intro: '登录 CC-iSales，在令牌到期之前续期，并为每个请求附上令牌。',
  usage: (line) => `用法：${line}`,
  commands: '命令：',
  help: '说明一个命令或设置',
  version: '显示版本',
  required: '一切都用环境变量设置。必填：',
  all: 'docs/configuration.zh-CN.md 列出了所有设置（软件包中位于 /usr/share/doc/isales-auth-proxy），example.env 可供填写。',
  examples: '示例：',
  exitCodes: '退出码：',
  more: '“isales-auth-proxy help COMMAND” 或 “COMMAND --help” 给出更多说明。--instance 使用服务 isales-auth-proxy@NAME 的设置；名称为 - 时使用 isales-auth-proxy 的设置。',
  flags: '选项：',
  self: '显示本说明',
  or: (variables) => variables.join(' 或 '),
  such: (example) => `例如 ${example}`,
  type: '类型',
  limits: '限制',
  default: '默认值',
  example: '示例',
  isRequired: '必填',
  unset: '未设置',
  empty: '空',
}

export const commands: Words['commands'] = {
  serve: {
    summary: '运行代理（默认）',
    text: [
      '登录 CC-iSales，在令牌到期之前续期，并为到达 LISTEN 的每个请求附上令牌。一切都用环境变量设置；见 docs/configuration.zh-CN.md，用 check 查看当前生效的值。',
      'SIGHUP：重新读取机密和证书，并立即尝试登录。SIGTERM、SIGINT、SIGQUIT 或 SIGUSR2：就绪关闭，完成进行中的请求，以 0 退出。再收到一个这样的信号则立即结束进程。',
    ],
    flags: {},
  },
  check: {
    summary: '检查配置、登录，或运行中的代理',
    text: [
      '显示每个设置的值（机密不显示）、来源和默认值，以及所有错误和处理办法。',
      '加上 --live 时，再登录一次，绝不登录两次：密码错误只消耗一次尝试。设置了 STATE_DIR 时，这次尝试会计入其中；为防锁定账号而暂停登录期间不作尝试。然后用令牌调用 business/interface（不改变任何数据），刷新令牌，并查看 iSales 如何拒绝无效令牌。如果 iSales 只允许一个用户有一个会话，这次登录可能结束运行中代理的会话，代理随后会重新登录。设置了 SESSION_STORE_URL 时，在存储的租约下登录，运行中的副本会采用新令牌。',
    ],
    flags: {
      live: '登录 iSales 一次，完成整个会话，并给出结果',
      quiet: '不显示设置，只显示错误和结论',
      health: '改为查询本机运行的代理（ADMIN_LISTEN，/livez）；用于 HEALTHCHECK',
    },
  },
  status: {
    summary: '显示运行中代理的状态页内容',
    text: [
      '查询本机运行的代理（ADMIN_LISTEN）的状态、问题和处理办法。语言由区域设置决定（LC_ALL、LC_MESSAGES、LANG）。',
    ],
    flags: { output: 'text 或 json（默认 text）' },
  },
  wait: {
    summary: '等待运行中的代理就绪',
    text: [
      '查询本机运行的代理（ADMIN_LISTEN，/readyz），直到它可以转发请求，以便在它之后启动依赖它的程序。',
    ],
    flags: { timeout: '超过此时间就放弃（默认 60s）' },
  },
  discover: {
    summary: '找出适合您的 iSales 的设置',
    text: [
      '用配置的用户名和密码登录一次，然后按接口各版本描述的每种形式调用 business/interface（不改变任何数据），并刷新令牌。输出一个环境文件：发现写成注释，后面是应使用的设置，即已给出的设置（机密除外）和必须与默认值不同的设置。',
      '它绝不尝试错误的密码，一旦被拒绝就停止。如果 iSales 只允许一个用户有一个会话，这次登录可能结束运行中代理的会话，代理随后会重新登录。',
    ],
    flags: { 'second-login': '登录两次，以了解这是否会使第一个令牌失效' },
  },
  renew: {
    summary: '立即登录，不等待重试策略',
    text: [
      '向本机运行的代理（ADMIN_LISTEN）发送 SIGHUP：它重新读取机密并登录一次。等待登录结束并给出结果：用于更正密码或解锁账号之后。须以 root 或代理的用户身份，在代理所在的机器或容器中运行。',
    ],
    flags: { timeout: '等待登录的最长时间（默认 60s）' },
  },
}

export const exitCodes: Words['exitCodes'] = {
  ok: '完成。serve：由 SIGTERM、SIGINT、SIGQUIT 或 SIGUSR2 停止，进行中的请求都已完成，或在 DRAIN_TIMEOUT 之后被中断。',
  failed:
    '运行中失败：地址被占用，或意外错误。check --live、discover：iSales 给出的主机不是 ISALES_URL。',
  usage: '配置或命令行有误；没有启动任何东西。',
  refused: 'check --live、discover、renew：iSales 拒绝了用户名或密码。',
  unreachable:
    'check --live、discover、renew：无法登录（无法连接、TLS、超时、请求过多，或其他响应）。check --live、discover：或 iSales 拒绝携带该令牌的调用。',
  notReady:
    'wait：没有及时就绪。check --health、status：运行中的进程没有响应。renew：本机没有运行代理，或无权向它发送信号。',
  signal:
    '第二个 SIGINT、SIGQUIT、SIGUSR2 或 SIGTERM 立即结束了进程；wait、check、discover 和 renew 在第一个信号时就这样结束。',
}

export const command: Words['command'] = {
  misused: (problem) => `${problem}\n“isales-auth-proxy help” 列出命令和选项。`,
  unknown: {
    command: (given) => `未知的命令 ${given}。`,
    flag: (given) => `未知的选项 ${given}。`,
    setting: (given) => `未知的设置 ${given}。`,
  },
  near: (problem, near) => `${problem}是否想写 ${near}？`,
  noArgument: '多余的参数：这里只接受选项。',
  noValue: (flag) => `${flag} 不带值。`,
  needsValue: (flag, example) => `${flag} 需要一个值，例如 ${flag} ${example}。`,
  twice: (flag) => `${flag} 给出了两次。`,
  wrongValue: (flag, problem) => `${flag} ${problem}。`,
  output: '--output 是 text 或 json。',
  health: '--health 查询运行中的代理：不能与 --live 和 --quiet 同时使用。',
  notInstance: '--instance 是服务的名称，例如 isales-auth-proxy@north 的 north，或 -。',
  noInstance: (file, missing) =>
    missing
      ? `没有 ${file}。\`ls -d /etc/isales-auth-proxy*\` 列出所有服务的目录。`
      : `无法读取 ${file}。只有 root 可以读取它。`,
  anyPort: 'ADMIN_LISTEN 的端口是 0：这里不知道实际使用的端口。',
  notStarted: '没有启动任何东西。“isales-auth-proxy check” 显示所有设置。',
  unforeseen: (name) => `isales-auth-proxy：意外错误（${name}）`,
}

export const listening: Words['listening'] = {
  cannot: (where, why) => `无法监听 ${where}：${why}`,
  causes: {
    EADDRINUSE: '已被另一个进程占用：停止它（`ss -ltnp` 给出其名称），或使用别的地址',
    EACCES:
      '没有权限：1024 以下的端口只供 root 使用。使用更大的端口，或授予 CAP_NET_BIND_SERVICE 能力（单元的 AmbientCapabilities=）',
    EADDRNOTAVAIL: '不是本机的地址',
    ENOTFOUND: '主机名未知',
  },
  elsewhere: (bound, wanted) => `套接字单元监听的是 ${bound}，而不是 ${wanted}：请给两者相同的地址`,
  several: (count) => `套接字单元有 ${count} 个地址，而 LISTEN 只有一个`,
}

export const check: Words['check'] = {
  sound: '配置没有问题。',
  head: ['设置', '值', '来源', '默认值'],
  wrong: '（错误，见下文）',
  empty: '（空）',
  byDefault: '默认',
  error: '错误',
  warning: '警告',
  labelled: (label, line) => `${label}：${line}`,
  verdicts: {
    works: '一切正常。',
    blind: '可以使用，但代理无法察觉令牌提前失效：此时调用会失败，直到令牌续期。',
    refused: 'iSales 拒绝了登录。消耗了一次尝试，没有再试其他内容。',
    unreachable: '无法登录，因此没有再试其他内容。',
    'no-header': '登录成功，但业务调用不成功。',
    elsewhere: '调用成功，但 iSales 给出的主机不是 ISALES_URL：CTI-OBS 会去调用那里。',
  },
  topics: {
    login: '登录',
    store: '存储',
    call: '业务调用',
    invalid: '无效令牌',
    refresh: '刷新',
    conversation: '整个会话',
    numbers: '数字',
    lifetime: '有效期',
    interface: '接口',
    second: '第二次登录',
    state: 'STATE_DIR',
  },
  blind:
    '请向厂商了解 iSales 如何拒绝无效令牌；用 ISALES_REJECTED_STATUSES 和 ISALES_REJECTED_RESULTS 告诉代理',
  carrier:
    '检查 ISALES_TOKEN_HEADERS、ISALES_TOKEN_SCHEME、ISALES_TOKEN_FIELD 和 ISALES_LOGIN_PATH；`discover` 可以找出',
  refreshForm: '`discover` 可以找出形式，或设置 ISALES_REFRESH_PATH=off',
  set: (assignments) => `设置 ${assignments.join('，')}`,
  at: (url, user) => `以 ${user} 登录 ${url}`,
  uncounted: (what) => `${what}。这次登录没有计入其中`,
  asOwner: '请以代理的用户或 root 运行此命令',
  notTried: (where, why) => `${where}：没有尝试，${why}`,
  failed: (where, what) => `${where}：${what}`,
  loggedIn: (where, ms, grant) => `${where}：成功，用时 ${ms} 毫秒；令牌${grant}`,
  deferred: {
    busy: () => '某个副本正在登录。请几秒后再试',
    paused: () => '各副本在一次失败后等待。请看其中一个的状态页',
    guarded: (minutes) =>
      `用这个用户名和密码的登录此前失败过，为避免锁定账号而暂停；${minutes} 分钟后再试。如果用户名或密码有误请更正，否则届时再试`,
  },
  noLifetime: (taken) => `没有给出可信的有效期（按 ${taken} 计算）`,
  lives: (life) => `有效期 ${life}`,
  noRefreshToken: (life) => `${life}，没有刷新令牌`,
  withRefreshToken: (life, refresh) => `${life}，带有刷新令牌${refresh && `（有效期 ${refresh}）`}`,
  forReplicas: '没有尝试：该令牌供共享它的副本使用',
  worksSo: '用这些设置可以正常进行',
  notAccepted: '手中的令牌不被接受',
  asText: 'result 或有效期写成了文本',
  works: (how) => `${how}：成功`,
  as: (text, works) => `${text}，与${works ? '成功' : '失败'}的调用相同`,
  foreign: '不是 iSales 的响应',
  otherHost: (origin) => `给出的 URL 属于 ${origin}，不是 ISALES_URL`,
  tryHost: (origin) => `试将 ISALES_URL 设为 ${origin}`,
  wholeUrls: '给出完整的 URL，代理会改写为自己的地址',
  closedPaths: (count) => `给出了 ${count} 个 ALLOWED_PATHS 之外的路径`,
  refreshPath: (path) => `给出的刷新路径是 ${path}`,
  refreshOff: '已关闭（ISALES_REFRESH_PATH）；代理改为登录',
  noRefresh: '登录没有给出刷新令牌；代理改为登录',
  bodyAlone: '仅请求体',
  withHeader: (form) => `Authentication 携带 ${form}，加请求体`,
  refreshed: (how, rotates, lives) =>
    `${how}：成功；刷新令牌${rotates ? '会更换' : '不变'}，旧令牌${lives ? '仍有效' : '失效'}`,
  refreshFails: '不成功；代理改为登录',
  outlives: '第一个令牌仍有效：几个副本可以共用一个用户',
  ends: '它使第一个令牌失效：一个用户只允许一个会话',
  sameToken: '得到相同的令牌',
  storeAlone: (what) => `${what}。登录可能结束运行中副本的会话`,
  noListener: '可用。没有副本用此密钥监听：没有副本在运行，或其密钥不同',
  listeners: (count) => `可用。${count} 个用此密钥运行的副本会采用新令牌`,
  addSecret: (name) => `${name} 是机密：请补上`,
  setByHand: (name) => `${name} 的值无法写入环境文件：请手工设置`,
  noStore:
    '没有共享（SESSION_STORE_URL）：如果 iSales 只允许该用户有一个会话，各副本会互相结束对方的令牌',
}

export const running: Words['running'] = {
  silent: (at, code) =>
    `代理在 ${at} 没有响应（${code}）。检查它是否在运行（systemctl status isales-auth-proxy、kubectl get pod），以及 ADMIN_LISTEN`,
  late: '没有及时响应',
  other: (at) => `代理返回 404：${at} 上监听的是其他程序（ADMIN_LISTEN）`,
  status: (status, reason) => `代理返回 ${status}${reason && `（${reason}）`}`,
  notReady: (waited, what) => `${waited} 内没有就绪：${what}`,
}

export const renew: Words['renew'] = {
  nothing: (why) => `没有执行任何操作：${why}`,
  elsewhere: (pid) => `本机的进程 ${pid} 不是本程序，代理在别处运行：请在那里向它发送 SIGHUP`,
  notSent: (pid, code) =>
    `无法向进程 ${pid} 发送 SIGHUP：${code}；请以代理的用户或 root 运行此命令`,
  ended: '代理在登录结束之前退出了。',
  late: (waited) => `已请求登录，但没有在 ${waited} 内结束。`,
  anyway: '为防锁定账号，登录本已暂停，但仍向 iSales 请求了一次',
  granted: (until) => `登录成功：令牌有效到 ${until}`,
  failed: (what) => `登录失败：${what}`,
  deferred: (why) => `没有向 iSales 请求：${why}`,
  askedBefore: '不到一分钟前，人工请求的登录已经提前结束过一次暂停',
  next: (time) => `距下次尝试 ${time}`,
}
