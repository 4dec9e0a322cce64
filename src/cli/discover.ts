import { connect as connectTcp } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { readUpstreamTls } from '../config/certificates.ts'
import { valueOf } from '../config/files.ts'
import { loadConfig, type Config } from '../config/load.ts'
import { createUpstream } from '../upstream/pool.ts'
import { defineCommand } from './command.ts'
import { discover, type Discovery, type Finding } from './discovery.ts'
import { EXIT } from './exit-codes.ts'
import { endedBy, writeErrors } from './io.ts'
import { table } from './text.ts'

const OUTPUTS = ['env', 'values', 'json'] as const
type Output = (typeof OUTPUTS)[number]

/** Milliseconds that an idle connection is watched. */
const KEEP_ALIVE_WATCH = 20_000

export const command = defineCommand({
  summary: 'Find the settings that suit your iSales',
  text: `Logs in once with the configured user and password, then calls business/interface,
which changes nothing, in each form that the editions of the interface describe, and
refreshes the token. Prints what it found, and the settings to use: only those that
differ from the defaults.

It never tries a wrong password, and stops at the first refusal. Where iSales allows a
user one session only, the login may end the session of a running proxy, which then
logs in again.`,
  flags: {
    output: {
      type: 'string',
      value: 'env',
      doc: 'env (the default), values for the chart, or json',
    },
    'second-login': {
      type: 'boolean',
      doc: 'Log in twice, to see whether that ends the first token',
    },
  },
  async run(flags, io) {
    const output = OUTPUTS.find((one) => one === (flags.output ?? 'env'))
    if (output === undefined) {
      io.stderr.write(`--output is one of ${OUTPUTS.join(', ')}.\n`)
      return EXIT.usage
    }
    const loaded = loadConfig(io.env)
    if (!loaded.ok) {
      writeErrors(io, loaded.errors)
      return EXIT.usage
    }
    const { config } = loaded
    const upstream = createUpstream({ config, tls: valueOf(readUpstreamTls(config)) })
    const discovery = await discover({
      origin: config.isalesUrl,
      user: config.isalesUser,
      password: config.isalesPassword,
      paths: {
        login: config.isalesLoginPath,
        refresh: config.isalesRefreshPath ?? '/rest/isales/v1/openapi/obs/auth/refresh',
        interface: config.isalesInterfacePath,
      },
      secondLogin: flags['second-login'] === true,
      post: upstream.post,
      now: () => performance.now(),
      signal: io.signal,
    })
    await upstream.destroy()
    if (io.signal.aborted) return endedBy(io.signal)
    const { verdict } = discovery
    // Through an egress proxy the certificate and the keep-alive would be somebody else's.
    const direct = verdict === 'works' && config.httpsProxy === undefined
    const connection = direct ? await watchConnection(config, io.signal) : []
    const findings = [...discovery.findings, ...connection]
    io.stdout.write(format({ ...discovery, findings }, output))
    io.stderr.write(`${VERDICTS[verdict].text}\n`)
    return VERDICTS[verdict].code
  },
})

const VERDICTS = {
  works: { code: EXIT.ok, text: 'The whole conversation works with these settings.' },
  refused: {
    code: EXIT.refused,
    text: 'iSales refused the user or password. One attempt was spent; nothing else was tried.',
  },
  unreachable: {
    code: EXIT.unreachable,
    text: 'No login came about, so nothing else could be tried.',
  },
  'no-header': {
    code: EXIT.failed,
    text: 'The login works, but no business call was accepted.',
  },
} as const satisfies Record<Discovery['verdict'], { readonly code: number; readonly text: string }>

function format({ findings, settings, verdict }: Discovery, output: Output): string {
  if (output === 'json') return `${JSON.stringify({ verdict, findings, settings }, null, 2)}\n`
  const comments = table(findings.map(({ topic, evidence }) => [`# ${topic}`, evidence]))
  const entries = Object.entries(settings)
  if (output === 'env')
    return comments + entries.map(([name, value]) => `${name}=${value}\n`).join('')
  if (entries.length === 0) return `${comments}settings: {}\n`
  const lines = entries.map(([name, value]) => `  ${name}: ${JSON.stringify(value)}\n`)
  return `${comments}settings:\n${lines.join('')}`
}

/** The certificate of iSales, and how long it keeps an idle connection. */
function watchConnection(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const { hostname, port, protocol } = new URL(config.isalesUrl)
  const host = hostname.replaceAll(/^\[|\]$/g, '')
  const secure = protocol === 'https:'
  const address = { host, port: Number(port || (secure ? 443 : 80)) }
  const { ca } = valueOf(readUpstreamTls(config))
  const socket = secure
    ? connectTls({ ...address, servername: host, ...(ca === undefined ? {} : { ca }) })
    : connectTcp(address)
  return new Promise((resolve) => {
    const findings: Finding[] = []
    let idleSince = performance.now()
    const done = (evidence: string): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve([...findings, { topic: 'keep-alive', evidence }])
    }
    const timer = setTimeout(() => {
      done(`an idle connection is kept for ${KEEP_ALIVE_WATCH / 1000} s or more`)
    }, KEEP_ALIVE_WATCH)
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      if (secure) findings.push(certificateOf(socket as TLSSocket))
      socket.write(`OPTIONS * HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`)
    })
    socket.on('data', () => {
      idleSince = performance.now()
    })
    socket.once('error', () => done('could not be measured'))
    socket.once('close', () => {
      const seconds = (performance.now() - idleSince) / 1000
      done(`an idle connection is closed after ${seconds.toFixed(1)} s`)
    })
    signal.addEventListener('abort', () => done('was not measured'), { once: true })
  })
}

function certificateOf(socket: TLSSocket): Finding {
  const { subject, issuer, valid_to: end } = socket.getPeerCertificate()
  const until = new Date(end).toISOString().slice(0, 10)
  return {
    topic: 'certificate',
    evidence: `${String(subject.CN)}, issued by ${String(issuer.CN)}, valid until ${until}`,
  }
}
