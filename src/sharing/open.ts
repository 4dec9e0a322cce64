import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { readTls, type TlsFiles } from '../config/certificates.ts'
import type { Config } from '../config/settings.ts'
import type { SharingEvent, StoreCall } from '../token/sharing.ts'
import { createSeal } from './seal.ts'
import { createShare, type Share } from './share.ts'
import { createValkeyStore } from './valkey.ts'

export interface OpenShareOptions {
  readonly config: Config
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly observe: (event: SharingEvent) => void
  readonly observeCall: (call: StoreCall) => void
}

const PORT = 6379
const SENTINEL_PORT = 26_379

/** Sharing as it is configured; undefined without `SESSION_STORE_URL` and its key. Connects when it is started. */
export async function openShare(options: OpenShareOptions): Promise<Share | undefined> {
  const { config, clock, random } = options
  const { sessionStoreUrl: address, sessionStoreKey: key, sessionStoreSentinel: name } = config
  if (address === undefined || key === undefined) return undefined
  const seal = createSeal(key, { origin: config.isalesUrl, user: config.isalesUser })
  const port = name === undefined ? PORT : SENTINEL_PORT
  const store = await createValkeyStore({
    servers: address.servers.map((server) => ({ host: server.host, port: server.port ?? port })),
    database: address.database,
    user: config.sessionStoreUser ?? address.user,
    password: config.sessionStorePassword ?? address.password,
    sentinel:
      name === undefined ? undefined : { name, password: config.sessionStoreSentinelPassword },
    tls: address.tls ? tlsFiles(config) : undefined,
    timeout: config.sessionStoreTimeout,
    prefix: `${config.sessionStorePrefix}:{${seal.place}}:`,
    clock,
    random,
    observe: options.observeCall,
  })
  const processId = randomBytes(12).toString('base64url')
  return createShare({ ...options, rules: config, store, seal, processId })
}

/** The files as they are now, or, while one of them is wrong, as they were. */
function tlsFiles(config: Config): () => TlsFiles {
  let last: TlsFiles = {}
  return () => {
    const read = readTls('store', config)
    // The connection shows what is wrong.
    if (read.ok) last = read.value
    return last
  }
}
