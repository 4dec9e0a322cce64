import { systemClock } from '../../src/clock.ts'
import { readSmallFile, type ReadFile } from '../../src/config/files.ts'
import { loadConfig, type Environment } from '../../src/config/load.ts'
import { createValkeyStore, type StoreCall } from '../../src/sharing/valkey.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { closing } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { DOCUMENTED_ACL } from './servers.ts'

/** Connects to this server, or loses the first connection. `looks` counts connections and losses. */
export async function connect(port: number, env: Environment = {}) {
  const calls: StoreCall[] = []
  let looks = 0
  const url = `valkey://127.0.0.1:${port}`
  const { address, config } = storeSettings({ SESSION_STORE_URL: url, ...env })
  const given = { config, clock: systemClock, random: Math.random }
  const observeCall = (call: StoreCall) => void calls.push(call)
  const store = await createValkeyStore(address, 'test', { ...given, observeCall })
  closing.push(() => store.stop())
  store.start(() => void (looks += 1))
  await until(() => looks >= 1)
  return { store, calls, looks: () => looks }
}

/** Loads the settings of these variables, with a user, a key and an iSales. */
export function storeSettings(env: Environment) {
  const ends = { ISALES_URL: 'https://isales', ISALES_USER: 'obs', ISALES_PASSWORD: 'p' }
  const readFile: ReadFile = (path, limit) =>
    path === 'key'
      ? Buffer.from('0123456789abcdefghijklmnopqrstuvwxyz')
      : readSmallFile(path, limit)
  const loaded = loadConfig({ ...ends, SESSION_STORE_KEY_FILE: 'key', ...env }, readFile)
  const address = loaded.config.sessionStoreUrl
  if (!loaded.ok || address === undefined) throw new Error(JSON.stringify(loaded))
  return { config: loaded.config, address }
}

export const KEY = 'isales-auth-proxy:v6:{test}:account'

/** Users of a server; `proxy` has the documented permissions. */
export const ACCOUNTS = [
  `user proxy on >pw ${DOCUMENTED_ACL}`,
  'user nobody on >pw -@all +ping +info',
  'user other on >pw ~other:* +@all',
  'user default off',
]
const file = temporaryFiles()
export const account =
  (user: string, password = 'pw') =>
  (port: number): Environment => ({
    SESSION_STORE_URL: `valkey://${user}@127.0.0.1:${port}`,
    SESSION_STORE_PASSWORD_FILE: file(password, password),
  })
