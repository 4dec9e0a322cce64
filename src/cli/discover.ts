import { addAbortSignal } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { readTls } from '../config/certificates.ts'
import { valueOf } from '../config/errors.ts'
import { formatDuration } from '../config/formats.ts'
import { loadConfig, type Config } from '../config/load.ts'
import { SECRET_VARIABLES, SETTING_LIST } from '../config/settings.ts'
import { connectOnce, describeChain } from './connection.ts'
import { EXIT } from './exit-codes.ts'
import { endedBy, writeProblems, type Io, type Command } from './io.ts'
import { probe, sentences, VERDICTS, type Finding, type Probed } from './prober.ts'
import { table } from '../text.ts'

const OUTPUTS = ['env', 'values', 'json'] as const
type Output = (typeof OUTPUTS)[number]

/** Milliseconds that an idle connection is watched. */
const KEEP_ALIVE_WATCH = 20_000

export const command: Command = {
  summary: 'Find the settings that suit your iSales',
  example: '--output env > isales.env',
  text: `Logs in once with the configured user and password, then calls business/interface,
which changes nothing, in each form that the editions of the interface describe, and
refreshes the token. Prints what it found, and the settings to use: those that were
given, but for secrets, and those that have to differ from the defaults.

It never tries a wrong password, and stops at the first refusal. Where iSales allows a
user one session only, the login may end the session of a running proxy, which then
logs in again.`,
  flags: {
    output: {
      value: 'env',
      doc: 'env (the default), values for the chart, or json',
    },
    'second-login': {
      doc: 'Log in twice, to see whether that ends the first token',
    },
  },
  async run(flags, io) {
    const output = OUTPUTS.find((one) => one === (flags['output'] ?? 'env'))
    if (output === undefined) {
      io.stderr.write(`--output is one of ${OUTPUTS.join(', ')}.\n`)
      return EXIT.usage
    }
    const loaded = loadConfig(io.env)
    writeProblems(io, loaded)
    if (!loaded.ok) return EXIT.usage
    const { config } = loaded
    const { signal } = io
    const secondLogin = flags['second-login'] !== undefined
    const { verdict, ...probed } = await probe({ config, signal, vary: true, secondLogin })
    if (signal.aborted) return endedBy(signal)
    const { code, text } = VERDICTS[verdict]
    // Through an egress proxy the certificate and the keep-alive would be somebody else's.
    const direct = code === EXIT.ok && config.httpsProxy === undefined
    const seen = direct ? await watchConnection(config, signal) : undefined
    const findings = [...probed.findings, ...(seen?.findings ?? [])]
    const settings = { ...probed.settings, ...seen?.settings }
    io.stdout.write(format({ verdict, findings, settings }, output, io))
    io.stderr.write(`${text}\n`)
    return signal.aborted ? endedBy(signal) : code
  },
}

/** Settings that the conversation decides: what was given for them does not count. */
const DECIDED = /^(?:ISALES_(?:TOKEN|REFRESH_HEADER)_|ISALES_REJECTED_)/

/** The settings of the environment, but for secrets and for what was found instead. */
function givenIn({ env }: Io, found: Probed['settings']): Readonly<Record<string, string>> {
  const given: Record<string, string> = {}
  for (const setting of SETTING_LIST)
    for (const name of setting.variables) {
      const value = env[name]?.trim() ?? ''
      const shown = name.endsWith('_FILE') ? value : (setting.redact?.(value) ?? value)
      const isOpen = value !== '' && shown === value
      if (isOpen && !DECIDED.test(name) && !(name in found)) given[name] = value
    }
  return given
}

function format({ findings, settings, verdict }: Probed, output: Output, io: Io): string {
  if (output === 'json') return `${JSON.stringify({ verdict, findings, settings }, null, 2)}\n`
  const comments = table(findings.map((one) => [`# ${one.topic}`, sentences(one)]))
  const given = { ...givenIn(io, settings), ...settings }
  if (output === 'env') {
    const lines = Object.entries(given).map(([name, value]) => assignment(name, value))
    const secrets = SECRET_VARIABLES.filter(
      (name) => (io.env[name] ?? '') !== '' && !(name in given),
    )
    const missing = secrets.map((name) => `# ${name} is a secret: add it\n`)
    return comments + lines.join('') + missing.join('')
  }
  // In Kubernetes user and files come from a Secret.
  const entries = Object.entries(given).filter(([name]) => !/_FILE$|^ISALES_USER$/.test(name))
  if (entries.length === 0) return `${comments}settings: {}\n`
  const lines = entries.map(([name, value]) => `  ${name}: ${JSON.stringify(value)}\n`)
  return `${comments}settings:\n${lines.join('')}`
}

/** A line for a shell as well as for systemd. Some values are of iSales, and must run nothing in a shell that reads them. */
function assignment(name: string, value: string): string {
  if (/^[\w./:,@%+=-]*$/.test(value)) return `${name}=${value}\n`
  if (/^[^'\\\p{C}]*$/u.test(value)) return `${name}='${value}'\n`
  return `# ${name} has a value that no env file can hold: set it by hand\n`
}

type Seen = Pick<Probed, 'findings' | 'settings'>

/** The certificates of iSales, and how long it keeps an idle connection. */
async function watchConnection(config: Config, signal: AbortSignal): Promise<Seen> {
  const {
    isalesUrl: origin,
    isalesTlsServerName: serverName,
    isalesConnectTimeout: timeout,
  } = config
  const tls = valueOf(readTls('isales', config))
  const socket = await connectOnce({ origin, serverName, tls, timeout, egress: undefined })
  const findings: Finding[] = []
  const ended = (evidence: string, settings: Seen['settings'] = {}): Seen => ({
    findings: [...findings, { topic: 'keep-alive', evidence }],
    settings,
  })
  if (socket instanceof Error) return ended('could not be measured')
  if (socket instanceof TLSSocket)
    findings.push({ topic: 'certificates', evidence: describeChain(socket) })
  let idleSince = performance.now()
  let response = ''
  let kept = false
  socket.setEncoding('latin1').on('data', (text: string) => {
    idleSince = performance.now()
    response += text
  })
  socket.setTimeout(KEEP_ALIVE_WATCH, () => {
    kept = true
    socket.destroy()
  })
  addAbortSignal(signal, socket)
  socket.write(`HEAD / HTTP/1.1\r\nHost: ${new URL(origin).host}\r\n\r\n`)
  const failed = await new Promise((resolve) => {
    socket.once('close', resolve)
  })
  if (signal.aborted) return ended('was not measured')
  if (kept) return ended(`an idle connection is kept for ${KEEP_ALIVE_WATCH / 1000} s or more`)
  if (failed === true || /^connection: *close/im.test(response))
    return ended('could not be measured')
  const ms = performance.now() - idleSince
  return ended(
    `an idle connection is closed after ${(ms / 1000).toFixed(1)} s`,
    ms < config.isalesKeepAlive + 1000 ? { ISALES_KEEP_ALIVE: halfOf(ms) } : {},
  )
}

/** Half of what iSales keeps: a call must not meet a connection that iSales closes meanwhile. */
function halfOf(ms: number): string {
  return formatDuration(Math.max(100, Math.floor(ms / 200) * 100))
}
