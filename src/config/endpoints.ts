import { BlockList, isIP } from 'node:net'
import { toEndpoint, urlHost } from './address.ts'
import { findOriginal } from './files.ts'
import { formatTokenHeader, withRejection } from './formats.ts'
import { detectPasteError, type Config } from './load.ts'
import type { Fact, DiagnosticContext } from '../messages/index.ts'

/** Returns the egress proxy for this origin, by the rules of curl and Go; undefined for a direct connection. */
export function egressFor(config: Pick<Config, 'isalesUrl' | 'httpsProxy' | 'noProxy'>) {
  const { isalesUrl, httpsProxy, noProxy = '' } = config
  const url = new URL(isalesUrl)
  if (httpsProxy === undefined || url.protocol !== 'https:') return undefined
  const { host } = toEndpoint(url)
  const direct = noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry === '*' || covers(entry, host))
  return direct ? undefined : new URL(httpsProxy.reveal())
}

/** Returns true if an entry of `NO_PROXY` covers the host: a name, an address, or a network in CIDR notation. */
function covers(entry: string, host: string): boolean {
  const [, bare = entry, bits] = /^(.*?)(?:\/(\d{1,3}))?$/.exec(entry) ?? []
  const name = bare.replaceAll(/^\[|\]$/g, '')
  if (isIP(host) !== 0) return isIP(name) !== 0 && inNetwork(host, name, bits)
  // A name covers itself and its subdomains, with or without a leading dot (curl); trailing dots do not count.
  const plain = name.replaceAll(/^\.|\.$/g, '')
  return plain !== '' && `.${host.replace(/\.$/, '')}`.endsWith(`.${plain}`)
}

function inNetwork(host: string, network: string, bits: string | undefined): boolean {
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4'
  const most = family === 'ipv6' ? 128 : 32
  const prefix = Number(bits ?? most)
  if (prefix > most) return false
  const list = new BlockList()
  list.addSubnet(network, prefix, family)
  return list.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
}

/** Returns the details that facts of failures name, without user and password of a URL. */
export function diagnosticContext(config: Config): DiagnosticContext {
  const hostOf = ({ host, port }: { host: string; port: number }) => `${urlHost(host)}:${port}`
  const egress = egressFor(config)
  const store = config.sessionStoreUrl
  return {
    hosts: {
      isales: hostOf(toEndpoint(new URL(config.isalesUrl))),
      egress: egress === undefined ? '' : hostOf(toEndpoint(egress)),
      store: store === undefined ? '' : hostOf(store),
      client: '',
      disk: config.stateDir ?? '',
    },
    serverName: config.isalesTlsServerName ?? '',
    credentials: credentialsOf(config),
    tokenHeader: formatTokenHeader(config.isalesTokenHeader),
    withRejected: (status) => withRejection(config.isalesRejected, String(status)),
    userFile: findOriginal(config.isalesUserFile ?? ''),
    passwordFile: findOriginal(config.isalesPasswordFile ?? ''),
    settings: {
      allowedHosts: config.allowedHosts.join(',') || 'none',
      allowedPaths: config.allowedPaths.join(','),
      maxBodySize: config.maxBodySize,
      // Known when the listener opens.
      listen: '',
      clientDeadline: { seconds: config.clientDeadline / 1000 },
    },
  }
}

/** The facts to look at when iSales rejects the credentials. */
function credentialsOf({ isalesUser: user, isalesPassword: password }: Config): readonly Fact[] {
  const accidentIn = (fact: 'userHas' | 'passwordHas', name: string, text: string): Fact[] => {
    const doubt = detectPasteError(name, text)
    return doubt === undefined ? [] : [[fact, doubt.facts[0]?.[1] ?? doubt.code]]
  }
  return [
    ['user', user],
    ...accidentIn('userHas', 'ISALES_USER', user),
    ...accidentIn('passwordHas', 'ISALES_PASSWORD', password.reveal()),
  ]
}
