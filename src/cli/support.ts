import { lookup as lookupAll } from 'node:dns/promises'
import { unescape } from 'node:querystring'
import { arch, hostname, platform, release } from 'node:os'
import { TLSSocket } from 'node:tls'
import { endpointOf } from '../config/address.ts'
import { readTls } from '../config/certificates.ts'
import { formatError } from '../config/errors.ts'
import { loadConfig, type EffectiveSetting, type Environment } from '../config/load.ts'
import { Secret } from '../config/secret.ts'
import type { Config } from '../config/settings.ts'
import { isObject, parseObject } from '../http/json.ts'
import { egressFor } from '../upstream/egress-proxy.ts'
import { codeOf, ConnectError } from '../upstream/errors.ts'
import { describeResponse, openAdminClient, type AskAdmin } from './admin-probe.ts'
import { connectOnce, describeChain } from './connection.ts'
import { EXIT } from './exit-codes.ts'
import { type Io, type Command } from './io.ts'
import { table } from '../text.ts'

/** Milliseconds for each connection. */
const TIMEOUT = 5000
/** A shorter text may stand in any word. */
const MIN_SECRET = 4

export const command: Command = {
  summary: 'Write all that support needs to know, without secrets',
  text: `Prints versions, the settings and where they came from, what a running proxy (ADMIN_LISTEN)
says of its state, its last logins and refreshes, the last calls that did not succeed, its
metrics, and what DNS, TCP and TLS on the route to iSales give: isales-auth-proxy support > support.txt

It logs in nowhere, and sends nothing to iSales but a TLS handshake. Passwords, tokens and keys are
redacted; addresses, user names and paths are not.`,
  flags: {},
  async run(_, io) {
    const ask = openAdminClient(io)
    const running = await readRunning(ask)
    const settings = settingsIn(running.status)
    // The shell of an operator has no settings of a service.
    const env = { ...environmentOf(settings), ...io.env }
    const { config } = loadConfig(env)
    const parts = [
      versions(io),
      section('Status', running.text),
      section('Settings of the running proxy', settingTable(settings)),
      section('Settings of this environment', settingTable(hereSet(io))),
      section('Network', (await networkOf(config)).join('\n')),
      section('Status as JSON', running.status),
      section('Metrics', running.metrics),
    ]
    io.stdout.write(redact(`${parts.join('\n\n')}\n`, [config, loadConfig(io.env).config]))
    return EXIT.ok
  },
}

function versions(io: Io): string {
  return [
    `isales-auth-proxy ${BUILD_VERSION}, support report of ${new Date().toISOString()}`,
    `Node ${process.version}, llhttp ${io.llhttp}, ${platform()} ${release()} ${arch()}`,
    `Host ${hostname()}, uid ${io.uid ?? 'unknown'}, local time ${new Date().toString()}`,
  ].join('\n')
}

function section(title: string, text: string): string {
  return `## ${title}\n\n${text.trim()}`
}

async function readRunning(ask: AskAdmin | undefined) {
  const read = async (path: string): Promise<string> => {
    const response = (await ask?.(path)) ?? {
      at: 'ADMIN_LISTEN',
      status: undefined,
      body: 'no address',
    }
    return response.status === 200 ? response.body : `The proxy ${describeResponse(response)}.`
  }
  return {
    text: await read('/status.txt'),
    status: await read('/status.json'),
    metrics: await read('/metrics'),
  }
}

/** Another program may listen there, so nothing is taken for granted. */
function settingsIn(status: string): readonly EffectiveSetting[] {
  const { settings } = parseObject(status) ?? {}
  const rows: readonly unknown[] = Array.isArray(settings) ? settings : []
  return rows.filter(isObject).map(({ name, value, source }) => ({
    name: String(name),
    value: typeof value === 'string' ? value : null,
    source: String(source),
  }))
}

/** What a running proxy does not redact. */
function environmentOf(settings: readonly EffectiveSetting[]): Environment {
  const entries = settings.flatMap(({ name, value }) =>
    value === null || value.includes('[redacted]') ? [] : [[name, value] as const],
  )
  return Object.fromEntries(entries)
}

function hereSet(io: Io): readonly EffectiveSetting[] {
  return loadConfig(io.env).settings.filter(({ source }) => source !== 'default')
}

function settingTable(settings: readonly EffectiveSetting[]): string {
  if (settings.length === 0) return 'None.'
  return table(settings.map(({ name, value, source }) => [name, value ?? '-', source]))
}

/** What DNS says of iSales and of the egress proxy, and what a connection to iSales gives. */
async function networkOf(config: Partial<Config>): Promise<readonly string[]> {
  const { isalesUrl: origin } = config
  if (origin === undefined) return ['ISALES_URL is not known here.']
  const egress = egressFor({
    isalesUrl: origin,
    httpsProxy: config.httpsProxy,
    noProxy: config.noProxy,
  })
  const tls = readTls('isales', config)
  return [
    await addressesOf('iSales', new URL(origin)),
    ...(egress === undefined ? [] : [await addressesOf('egress proxy', egress)]),
    ...(tls.ok ? [] : tls.errors.map((error) => formatError(error))),
    await describeConnection({
      origin,
      serverName: config.isalesTlsServerName,
      tls: tls.ok ? tls.value : {},
      timeout: TIMEOUT,
      egress,
    }),
  ]
}

async function addressesOf(what: string, url: URL): Promise<string> {
  const { host, port } = endpointOf(url)
  try {
    const found = await lookupAll(host, { all: true })
    const addresses = found.map(({ address }) => address).join(', ')
    return `DNS of ${what}: ${host} is ${addresses} (port ${port})`
  } catch (error) {
    return `DNS of ${what}: ${host} failed (${codeOf(error)})`
  }
}

async function describeConnection(route: Parameters<typeof connectOnce>[0]): Promise<string> {
  const began = performance.now()
  const outcome = await connectOnce(route)
  const took = `after ${Math.round(performance.now() - began)} ms`
  const through = route.egress === undefined ? '' : ` through ${route.egress.host}`
  const what = `Connection to ${route.origin}${through}`
  if (outcome instanceof ConnectError)
    return `${what}: failed at ${outcome.reason} (${outcome.code}) ${took}`
  const tls = outcome instanceof TLSSocket
  const seen = tls ? `${outcome.getProtocol()}, ${describeChain(outcome)}` : 'TCP, without TLS'
  outcome.destroy()
  return `${what}: open ${took}, ${seen}`
}

/** A second check behind the redaction of each part. */
function redact(text: string, configs: readonly Partial<Config>[]): string {
  const secrets = configs
    .flatMap((config) => Object.values(config))
    .filter((value) => value instanceof Secret)
    .flatMap((secret) => spellings(secret.reveal()))
  return secrets
    .filter((secret) => secret.length >= MIN_SECRET)
    .reduce((redacted, secret) => redacted.replaceAll(secret, '[redacted]'), text)
}

/** Some secrets are URLs with a password. */
function spellings(secret: string): readonly string[] {
  const password = URL.canParse(secret) ? new URL(secret).password : ''
  return [secret, JSON.stringify(secret).slice(1, -1), password, unescape(password)]
}
