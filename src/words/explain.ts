import type { Cause, CertificateSeen, Side } from '../causes.ts'
import type { Kind, SettingProblem } from '../setting-problem.ts'
import type { Words } from './en.ts'
import type { Said } from './said.ts'

/** Where this proxy connects to, and where its credentials come from. */
export interface Places {
  /** Host and port; the directory of the disk. */
  readonly hosts: Readonly<Record<Side, string>>
  /** What the certificate of iSales is checked for instead of its host; empty: its host. */
  readonly serverName: string
  /** Empty: the environment. */
  readonly userFile: string
  readonly passwordFile: string
}

/** What is known of a failure besides its cause. */
export interface Failure {
  readonly cause: Cause
  readonly status?: number | undefined
  /** An error code, or what is odd about the response. */
  readonly detail?: string
  readonly certificate?: CertificateSeen | undefined
  /** A call of CTI-OBS failed. Default: a login or refresh. */
  readonly call?: boolean
}

interface Explained {
  /** What happened, with the code behind it. */
  readonly what: string
  /** What to do; empty: nothing. */
  readonly todo: string
}

const URLS = {
  isales: 'ISALES_URL',
  egress: 'HTTPS_PROXY',
  store: 'SESSION_STORE_URL',
  disk: 'STATE_DIR',
} as const
const CAS = {
  isales: 'ISALES_CA_FILE',
  egress: 'NODE_EXTRA_CA_CERTS',
  store: 'SESSION_STORE_CA_FILE',
  disk: '',
} as const

/** The sentences for a failure in one language, the same for page, log and commands. */
export function explain(words: Words, places: Places, failure: Failure): Explained {
  const { cause, status = 0, detail = '', certificate, call = false } = failure
  const side = cause.side === 'client' ? 'isales' : cause.side
  const host = words.host(side, places.hosts[side])
  const [what, todo] = words.causes[cause.code]({
    side,
    host,
    Host: side === 'egress' ? `${host.slice(0, 1).toUpperCase()}${host.slice(1)}` : host,
    serverName: side === 'isales' ? places.serverName : '',
    url: URLS[side],
    ca: CAS[side],
    limit: call ? 'CLIENT_DEADLINE' : '5 s',
    status,
    certificate: {
      name: certificate?.name ?? '',
      from: minuteOf(certificate?.from),
      to: minuteOf(certificate?.to),
    },
    userFile: places.userFile,
    passwordFile: places.passwordFile,
  })
  const isSaid = status === 0 || what.includes(String(status))
  const parts = [isSaid ? '' : words.status(status), detail].filter((part) => part !== '')
  return { what: words.coded(what, parts.join(words.comma)), todo }
}

/** What is wrong with a setting, which completes `NAME ...`, and what to do about it. */
export function explainSetting({ settings }: Words, problem: SettingProblem): Said {
  const { code, file, found, example } = problem
  const where = (what: string): string => `${what}${file === undefined ? '' : settings.at(file)}`
  if (isKind(settings.kinds, code)) {
    const phrase = settings.kinds[code]
    const kind = typeof phrase === 'string' ? phrase : phrase(problem)
    return [where(settings.isNot(found, kind, example)), '']
  }
  const sentence = settings.others[code]
  const [what, todo] = typeof sentence === 'function' ? sentence(problem) : sentence
  return [where(what), todo]
}

function isKind(kinds: Words['settings']['kinds'], code: string): code is Kind {
  return Object.hasOwn(kinds, code)
}

/** One line: `NAME has this problem. Do this` */
export function settingLine(words: Words, problem: SettingProblem): string {
  return `${problem.setting} ${words.line(...explainSetting(words, problem))}`
}

/** `2026-11-28 13:36 UTC`. */
function minuteOf(time: number | undefined): string {
  if (time === undefined || Number.isNaN(time)) return ''
  return `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
