import { createSpeaker, type Values, type ValuesOf } from './format.ts'
import { factsOf, type Facts, type StateInput } from './state.ts'
import type { Text } from './texts.ts'

/**
 * What CTI-OBS gets, in one word; docs/metrics.md explains each. With the tone of the status page: `bad` means that
 * somebody has to act, `quiet` that there is nothing to judge yet.
 */
export const STATES = {
  starting: 'quiet',
  healthy: 'good',
  degraded: 'warning',
  failing: 'bad',
  unauthenticated: 'bad',
  refused: 'bad',
  conflict: 'bad',
  draining: 'quiet',
} as const
export type Health = keyof typeof STATES

/** One thing to be said, and when. */
interface FindingKind<Given> {
  readonly state: Health
  readonly title: Text
  /** The values that the reason names, or true where it names none; otherwise it is not said. */
  readonly when: (facts: Facts) => Given | false | undefined
  readonly reason: Text
  /** What to do. Default: nothing. */
  readonly remedy?: Text | ((facts: Facts) => string)
  /** The section of docs/operations.md, which has the name of an alert. */
  readonly runbook?: string
}

function finding<const Reason extends Text>(
  kind: FindingKind<ValuesOf<Reason> extends undefined ? true : ValuesOf<Reason>> & {
    readonly reason: Reason
  },
): FindingKind<Values | true> {
  return kind
}

/** A slow call of so many in a minute. */
const SLOW_SHARE = 0.05
const MIN_SLOW = 2

const HEALTHY = { state: 'healthy', title: ['Healthy', '正常'] } as const
const REFUSED = {
  state: 'refused',
  title: ['Credentials refused', '用户名或密码被拒绝'],
  remedy: ({ say, passwordFile: file }: Facts) =>
    file === undefined ? say('correctEnvironment') : say('correctFile', { file }),
  runbook: 'IsalesProxyAccountRejected',
} as const
const UNAUTHENTICATED = {
  state: 'unauthenticated',
  title: ['Not authenticated', '未登录'],
} as const
const FAILING = {
  state: 'failing',
  title: ['Calls fail', '调用失败'],
  remedy: ({ failing }: Facts) => failing?.remedy ?? '',
  runbook: 'IsalesProxyCallsFailing',
} as const
const IN_PERIOD = [
  '{failed} of {total} calls failed in the last {period}. {words}.',
  '{period} {total} 次调用中有 {failed} 次失败。{words}。',
] as const

export const FINDINGS = {
  /** Alone. */
  draining: [
    finding({
      state: 'draining',
      title: ['Shutting down', '正在停止'],
      when: () => true,
      reason: [
        'Calls in flight are finished; new connections are refused.',
        '正在完成进行中的调用；不再接受新连接。',
      ],
    }),
  ],
  /** The most important first. */
  rest: [
    finding({
      state: 'conflict',
      title: ['Somebody else uses this login', '有其他程序使用同一账号'],
      when: ({ token, service }) => token.conflict && { service },
      reason: [
        'iSales rejects our tokens early, again and again. {service}',
        'iSales 反复提前拒绝我们的令牌。{service}',
      ],
      remedy: [
        'Give each instance a user of its own, or run only one.',
        '给每个实例单独的用户，或只运行一个实例。',
      ],
      runbook: 'IsalesProxySessionConflict',
    }),
    finding({
      ...REFUSED,
      when: ({ refusedBy, service }) => refusedBy === 401 && { service },
      reason: [
        'iSales refuses the login with 401: the service is not purchased, or the account is not in order. {service}',
        'iSales 以 401 拒绝登录：服务未购买，或账号状态异常。{service}',
      ],
      remedy: ({ say }) => say('correctAccount'),
    }),
    finding({
      ...REFUSED,
      when: ({ refusedBy: status, service }) =>
        (status === 400 || status === 500) && { status, service },
      reason: [
        'iSales refuses the login with {status}: by its documents the request or its values are wrong. {service}',
        'iSales 以 {status} 拒绝登录：按其文档，请求或参数值有误。{service}',
      ],
    }),
    finding({
      ...REFUSED,
      when: ({ refusedBy, service }) =>
        refusedBy !== undefined && ![400, 401, 500].includes(refusedBy) && { service },
      reason: [
        'iSales refuses the user or password. {service}',
        'iSales 拒绝了用户名或密码。{service}',
      ],
    }),
    finding({
      state: 'starting',
      title: ['Starting', '正在启动'],
      when: ({ noToken }) => noToken === 'first',
      reason: ['The first login is in progress.', '正在进行第一次登录。'],
    }),
    finding({
      ...UNAUTHENTICATED,
      when: ({ noToken }) => noToken === 'next',
      reason: ['Calls wait for a new token.', '调用正在等待新令牌。'],
    }),
    finding({
      ...UNAUTHENTICATED,
      when: ({ noToken, service }) => noToken === 'failed' && { service },
      reason: ['Logins fail. {service}', '登录失败。{service}'],
      remedy: [
        'Restore the connection to iSales; the login is retried until it succeeds.',
        '恢复到 iSales 的连接；登录会一直重试，直到成功。',
      ],
      runbook: 'IsalesProxyNotAuthenticated',
    }),
    finding({
      state: 'failing',
      title: ['The token is rejected', '令牌被拒绝'],
      // The last calls were rejected, and no newer token cured that.
      when: ({ token }) => token.rejected,
      reason: [
        'Logins succeed, but iSales rejects every call with the token.',
        '登录成功，但 iSales 拒绝携带该令牌的所有调用。',
      ],
      remedy: [
        'Check that ISALES_TOKEN_HEADERS, ISALES_TOKEN_SCHEME and ISALES_TOKEN_FIELD suit this iSales (isales-auth-proxy discover finds them), and that the account may make these calls.',
        '检查 ISALES_TOKEN_HEADERS、ISALES_TOKEN_SCHEME 和 ISALES_TOKEN_FIELD 是否适合这个 iSales（isales-auth-proxy discover 可以找出），以及该账号是否有权进行这些调用。',
      ],
      runbook: 'IsalesProxyCallsRefused',
    }),
    finding({
      ...FAILING,
      when: ({ failing }) => failing?.kind === 'outage' && failing,
      reason: [
        'No call has succeeded for {time}: all {failed} failed. {words}.',
        '已有 {time}没有一次调用成功：{failed} 次全部失败。{words}。',
      ],
    }),
    finding({
      ...FAILING,
      when: ({ failing }) => failing?.kind === 'most' && failing,
      reason: IN_PERIOD,
    }),
    finding({
      ...FAILING,
      state: 'degraded',
      title: ['Some calls fail', '部分调用失败'],
      when: ({ failing }) => failing?.kind === 'some' && failing,
      reason: IN_PERIOD,
    }),
    finding({
      state: 'degraded',
      title: ['Recovering', '正在恢复'],
      when: ({ failing }) => failing?.kind === 'recovering' && failing,
      reason: [
        'No call has failed for {time}, and {succeeded} have succeeded since. Before that, in the last minute, {failed} failed. {words}.',
        '{time}内没有调用失败，其间成功 {succeeded} 次。此前一分钟内失败 {failed} 次。{words}。',
      ],
    }),
    finding({
      state: 'degraded',
      title: ['iSales refuses some calls', 'iSales 拒绝部分调用'],
      when: ({ refused, pages, total, refusedPaths: paths, token }) =>
        refused > pages &&
        token.usable &&
        !token.rejected && { refused: refused - pages, total, paths },
      reason: [
        '{refused} of {total} calls in the last minute got 401 or 403 from iSales. Others succeed with the same token. Refused in the last hour: {paths}.',
        '最近一分钟 {total} 次调用中有 {refused} 次得到 iSales 的 401 或 403；其他调用用同一令牌成功。最近一小时被拒绝的路径：{paths}。',
      ],
      remedy: [
        'The account may not make these calls: have iSales permit them to this user, or let CTI-OBS leave them.',
        '该账号无权进行这些调用：请在 iSales 中给该用户授权，或让 CTI-OBS 不再调用。',
      ],
      runbook: 'IsalesProxyCallsRefused',
    }),
    finding({
      state: 'degraded',
      title: ['A web page refuses calls', '调用被网页拒绝'],
      when: ({ pages, refusedPaths: paths }) => pages > 0 && { pages, paths },
      reason: [
        '{pages} calls in the last minute got 401 or 403 with a web page. iSales sends none: a gateway or firewall before it refuses them. Paths of the last hour: {paths}.',
        '最近一分钟有 {pages} 次调用得到带网页的 401 或 403。iSales 不返回网页：是它前面的网关或防火墙拒绝了调用。最近一小时的路径：{paths}。',
      ],
      remedy: [
        'Ask who runs the gateway, firewall or egress proxy on the route to iSales; a login of this proxy cures nothing.',
        '请联系通往 iSales 的网关、防火墙或出口代理的管理员；本代理重新登录无济于事。',
      ],
      runbook: 'IsalesProxyCallsRefused',
    }),
    finding({
      state: 'degraded',
      title: ['Renewal is failing', '令牌续期失败'],
      when: ({ token }) => token.usable && token.backoff === 'transient',
      reason: ['Renewals fail. The current token is still used.', '续期失败。当前令牌仍在使用。'],
      remedy: [
        'Restore the connection to iSales; the renewal is retried until it succeeds.',
        '恢复到 iSales 的连接；续期会一直重试，直到成功。',
      ],
      runbook: 'IsalesProxyAuthenticationFailing',
    }),
    finding({
      state: 'degraded',
      title: ['iSales is slow', 'iSales 响应缓慢'],
      when: ({ slow, total }) => slow >= Math.max(MIN_SLOW, total * SLOW_SHARE) && { slow, total },
      reason: [
        '{slow} of {total} calls in the last minute took iSales more than 2 s. CTI-OBS gives up after 3 s.',
        '最近一分钟 {total} 次调用中有 {slow} 次 iSales 用时超过 2 秒。CTI-OBS 在 3 秒后放弃。',
      ],
      remedy: [
        'Ask the operator of iSales. Until then raise CLIENT_DEADLINE and the timeout of CTI-OBS together.',
        '请联系 iSales 的管理员。在此之前，可同时调大 CLIENT_DEADLINE 和 CTI-OBS 的 timeout。',
      ],
      runbook: 'IsalesProxyLatency',
    }),
    finding({
      state: 'degraded',
      title: ['The clock is wrong', '系统时钟不准'],
      when: ({ certificateEarly }) => certificateEarly,
      reason: [
        'The certificate of iSales is not valid yet by the clock of this machine.',
        '按本机时钟，iSales 的证书尚未生效。',
      ],
      remedy: [
        'Set the clock and keep it right (timedatectl, chrony). With a wrong one certificates are refused, and the times in the log mislead.',
        '校准时钟并保持同步（timedatectl、chrony）。时钟不准时证书会被拒绝，日志中的时间也会误导人。',
      ],
    }),
    finding({
      state: 'degraded',
      title: ['STATE_DIR cannot be used', 'STATE_DIR 无法使用'],
      when: ({ stateTrouble: trouble }) => trouble !== undefined && { trouble },
      reason: [
        'Logins are counted in memory only, and a restart forgets them: {trouble}.',
        '登录次数只记在内存中，重启后会丢失：{trouble}。',
      ],
      remedy: [
        'Repair the disk, or let the directory belong to the user of the proxy with mode 700. No login waits for it.',
        '修复磁盘，或让该目录属于代理的用户且权限为 700。登录不会等待它。',
      ],
    }),
    finding({
      state: 'healthy',
      title: ['CTI-OBS sends what is not forwarded', 'CTI-OBS 发送了不会转发的请求'],
      // Anybody who reaches the listener makes such mistakes, so they are no state of the proxy.
      when: ({ mistakes }) => mistakes,
      reason: [
        'In the last minute the proxy refused {count} requests: {codes}. They are not among the calls below.',
        '最近一分钟代理拒绝了 {count} 个请求：{codes}。它们不计入下面的调用。',
      ],
      remedy: [
        'docs/errors.md says of each code what to correct; often obsUrl ends with a slash, or names a host that is not in ALLOWED_HOSTS.',
        'docs/errors.zh-CN.md 说明每个错误码如何更正；常见的是 obsUrl 以斜杠结尾，或其主机名不在 ALLOWED_HOSTS 中。',
      ],
    }),
  ],
  /** When nothing is wrong. */
  healthy: [
    finding({
      ...HEALTHY,
      when: ({ token, total }) => token.usable && total > 0,
      reason: [
        'Every call of the last minute reached iSales with a valid token.',
        '最近一分钟的所有调用都携带有效令牌到达 iSales。',
      ],
    }),
    finding({
      ...HEALTHY,
      when: ({ token, total }) => token.usable && total === 0,
      reason: [
        'The token is valid. There was no call in the last minute.',
        '令牌有效。最近一分钟没有调用。',
      ],
    }),
    finding({
      state: 'healthy',
      title: ['Idle', '空闲'],
      when: ({ token }) => !token.usable,
      reason: [
        'No call came for TOKEN_IDLE_AFTER, and the next one logs in first.',
        '超过 TOKEN_IDLE_AFTER 没有调用；下一次调用会先登录。',
      ],
    }),
  ],
}

export type Finding = ReturnType<typeof say>[number]

/** All that is to be said, the most important first: it gives the state. */
export function judge(input: StateInput, speaker = createSpeaker('en')) {
  const facts = factsOf(input, speaker)
  const said = (kinds: readonly FindingKind<Values | true>[]) =>
    kinds.flatMap((kind) => say(kind, facts))
  const findings = said(FINDINGS[input.draining ? 'draining' : 'rest'])
  const isWrong = findings.some(({ state }) => state !== 'healthy')
  // One of `healthy` is always true.
  return [...(isWrong ? [] : said(FINDINGS.healthy)), ...findings] as [Finding, ...Finding[]]
}

function say(kind: FindingKind<Values | true>, facts: Facts) {
  const { state, title, when, reason, remedy = ['', ''], runbook } = kind
  const { fill, language } = facts
  const values = when(facts)
  if (values === false || values === undefined) return []
  const page = `/docs/operations${language === 'zh' ? '.zh-CN' : ''}.md`
  return [
    {
      state,
      title: fill(title),
      reason: fill(reason, values === true ? {} : values),
      /** What to do; empty when there is nothing to do. */
      remedy: typeof remedy === 'function' ? remedy(facts) : fill(remedy),
      /** What to do in detail, on the admin port. */
      runbook: runbook === undefined ? null : `${page}#${runbook.toLowerCase()}`,
    },
  ]
}
