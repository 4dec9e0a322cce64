import type { Words } from './en.ts'

export const help: Words['help'] = {
  intro: '登录 CC-iSales，在令牌到期之前续期，并为每个请求附上令牌。',
  usage: (line) => `用法：${line}`,
  help: '说明一个命令',
  version: '显示版本',
  settings:
    '一切都用环境变量设置，其中三个必填：ISALES_URL、ISALES_USER 和 ISALES_PASSWORD（后两个也可以加 _FILE）。docs/configuration.zh-CN.md 列出了所有设置，example.env 可供填写。',
  exitCodes: '退出码：',
  more: '“isales-auth-proxy help COMMAND” 给出更多说明。--instance 使用服务 isales-auth-proxy@NAME 的设置；名称为 - 时使用 isales-auth-proxy 的设置。',
  self: '显示本说明',
}

export const commands: Words['commands'] = {
  serve: {
    summary: '运行代理（默认）',
    text: 'SIGHUP：重新读取机密和证书，并立即尝试登录。SIGTERM、SIGINT、SIGQUIT 或 SIGUSR2：就绪关闭，完成进行中的请求，以 0 退出。再收到一个这样的信号则立即结束进程。',
  },
  check: {
    summary: '检查配置；加 --live 时检查与 iSales 的会话',
    text: '显示每个设置的值（机密不显示）和来源，以及所有错误和处理办法。\n\n加上 --live 时登录一次，绝不登录两次：密码错误只消耗一次尝试，设置了 STATE_DIR 时会计入其中。然后用令牌调用 business/interface（不改变任何数据），查看 iSales 如何拒绝无效令牌，并刷新令牌：先按配置的形式，再按接口各版本描述的形式。最后给出“一切正常”，或为每个需要改动的设置给出“设置 NAME=value”。如果 iSales 只允许一个用户有一个会话，这次登录可能结束运行中代理的会话，代理随后会重新登录；设置了 SESSION_STORE_URL 时，各副本会采用新令牌。',
    flags: {
      '--live': '登录 iSales 一次，并给出结果',
      '--quiet': '不显示设置，只显示错误和结论',
    },
  },
  status: {
    summary: '显示运行中代理的状态页内容',
    text: '查询本机运行的代理（ADMIN_LISTEN）的状态、问题和处理办法。只要进程有响应就以 0 退出，不论其状态：可用于 HEALTHCHECK。',
    flags: {
      '--json': '以 JSON 显示',
      '--wait T': '等待代理可以转发请求，最多等待 T，例如 60s',
    },
  },
  renew: {
    summary: '重新读取文件，并结束登录的暂停',
    text: '向本机运行的代理（ADMIN_LISTEN）发送 SIGHUP：它重新读取文件；如果登录已暂停，且未了结的尝试少于四次，则结束一次暂停。令牌可用时不向 iSales 请求任何东西。三秒后显示状态：用于更正密码或解锁账号之后。须以 root 或代理的用户身份，在代理所在的机器或容器中运行。',
  },
}

export const exitCodes: Words['exitCodes'] = [
  ['0', '完成。serve：由信号停止。check：没有问题；--live：一切正常。status：进程有响应。'],
  ['1', 'serve：地址被占用，或意外错误。'],
  ['2', '配置或命令行有误。check --live：有设置需要改动。'],
  ['3', 'check --live、renew：iSales 拒绝用户名或密码。'],
  ['4', 'check --live：无法登录，或任何形式的调用都不成功。renew：还没有可用的令牌。'],
  ['5', 'status：没有响应；--wait：没有及时就绪。renew：本机没有代理，或没有权限。'],
  ['130、131、140、143', '命令由信号结束；serve 由第二个信号结束。'],
]

export const command: Words['command'] = {
  misused: (problem) => `${problem}\n“isales-auth-proxy help” 列出命令和选项。`,
  unknown: (given, near) =>
    `未知的命令或选项 ${given}。${near === undefined ? '' : `是否想写 ${near}？`}`,
  noArgument: '多余的参数：这里只接受选项。',
  noValue: (flag) => `${flag} 不带值。`,
  needsValue: (flag, example) => `${flag} 需要一个值，例如 ${flag} ${example}。`,
  notInstance: '--instance 是服务的名称，例如 isales-auth-proxy@north 的 north，或 -。',
  noInstance: (file) =>
    `无法读取 ${file}：没有这个服务（\`ls -d /etc/isales-auth-proxy*\`），或您不是 root。`,
  anyPort: 'ADMIN_LISTEN 的端口是 0：这里不知道实际使用的端口。',
  notReady: (waited) => `${waited} 内没有就绪。`,
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
  head: ['设置', '值', '来源'],
  wrong: '（错误，见下文）',
  error: '错误',
  warning: '警告',
  labelled: (label, line) => `${label}：${line}`,
  verdicts: {
    works: '一切正常。',
    blind: '可以使用，但代理无法察觉令牌提前失效：此时调用会失败，直到令牌续期。',
    refused: 'iSales 拒绝了登录。消耗了一次尝试，没有再试其他内容。',
    unreachable: '无法登录，因此没有再试其他内容。',
    differs: '登录成功。请设置以上各项，然后再检查一次。',
    'no-header': '登录成功，但业务调用在任何已知形式下都不成功。',
  },
  topics: {
    login: '登录',
    store: '存储',
    call: '业务调用',
    invalid: '无效令牌',
    refresh: '刷新',
    conversation: '整个会话',
    lifetime: '有效期',
    interface: '接口',
    state: 'STATE_DIR',
  },
  blind: '请向厂商了解 iSales 如何拒绝无效令牌；用 ISALES_REJECTED 告诉代理',
  carrier: '检查 ISALES_TOKEN_HEADER 和 ISALES_LOGIN_PATH',
  set: (name, text) => `设置 ${name}=${text}`,
  at: (url, user) => `以 ${user} 登录 ${url}`,
  uncounted: (what) => `${what}。这次登录没有计入其中`,
  notTried: (where, why) => `${where}：没有尝试，${why}`,
  failed: (where, what) => `${where}：${what}`,
  loggedIn: (where, ms, grant) => `${where}：成功，用时 ${ms} 毫秒；令牌${grant}`,
  deferred: {
    busy: () => '某个副本正在登录。请几秒后再试',
    guarded: (minutes) =>
      `用这个用户名和密码的登录此前失败过，为避免锁定账号而暂停；${minutes} 分钟后再试。如果用户名或密码有误请更正，否则届时再试`,
  },
  grant: (life, isStated, refresh) =>
    `${isStated ? `有效期 ${life}` : `没有给出可信的有效期（按 ${life} 计算）`}，${refresh === undefined ? '没有' : '带有'}刷新令牌${refresh ? `（有效期 ${refresh}）` : ''}`,
  forReplicas: '没有尝试：该令牌供共享它的副本使用',
  worksSo: '用这些设置可以正常进行',
  notAccepted: '手中的令牌不被接受',
  works: (how) => `${how}：成功`,
  as: (text, works) => `${text}，与${works ? '成功' : '失败'}的调用相同`,
  foreign: '不是 iSales 的响应',
  otherHost: (origin) => `给出的 URL 属于 ${origin}：CTI-OBS 会去调用那里`,
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
  storeAlone: (what) => `${what}。登录可能结束运行中副本的会话`,
  storeWorks: '可用：运行中的副本会采用新令牌',
  noStore:
    '没有共享（SESSION_STORE_URL）：如果 iSales 只允许该用户有一个会话，各副本会互相结束对方的令牌',
}

export const running: Words['running'] = {
  silent: (at, code) =>
    `代理在 ${at} 没有响应（${code}）。检查它是否在运行（systemctl status isales-auth-proxy、kubectl get pod），以及 ADMIN_LISTEN`,
  late: '没有及时响应',
  other: (at) => `代理返回 404：${at} 上监听的是其他程序（ADMIN_LISTEN）`,
  status: (status, reason) => `代理返回 ${status}${reason && `（${reason}）`}`,
}

export const renew: Words['renew'] = {
  nothing: (why) => `没有执行任何操作：${why}`,
  elsewhere: (pid) => `本机的进程 ${pid} 不是本程序，代理在别处运行：请在那里向它发送 SIGHUP`,
  notSent: (pid, code) =>
    `无法向进程 ${pid} 发送 SIGHUP：${code}；请以代理的用户或 root 运行此命令`,
  sent: '代理会重新读取文件，并结束登录的暂停。令牌可用时不向 iSales 请求任何东西。三秒后的状态：',
}
