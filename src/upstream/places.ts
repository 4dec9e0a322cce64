import { endpointOf, originalOf, urlHost, type Config } from '../config/index.ts'
import type { Places } from '../words/index.ts'
import { egressFor } from './egress-proxy.ts'

/** What the sentences about failures name. No user and no password of a URL is in it. */
export function placesOf(config: Config): Places {
  const hostOf = (url: URL): string => {
    const { host, port } = endpointOf(url)
    return `${urlHost(host)}:${port}`
  }
  const egress = egressFor(config)
  const store = config.sessionStoreUrl
  const fileOf = (path: string | undefined): string => (path === undefined ? '' : originalOf(path))
  return {
    hosts: {
      isales: hostOf(new URL(config.isalesUrl)),
      egress: egress === undefined ? '' : hostOf(egress),
      store: store === undefined ? '' : `${urlHost(store.host)}:${store.port}`,
      client: '',
      disk: config.stateDir ?? '',
    },
    serverName: config.isalesTlsServerName ?? '',
    userFile: fileOf(config.isalesUserFile),
    passwordFile: fileOf(config.isalesPasswordFile),
  }
}
