import { randomBytes } from 'node:crypto'
import { systemClock } from '../../src/clock.ts'
import { readSmallFile, type ReadFile } from '../../src/config/files.ts'
import { loadConfig, type Environment } from '../../src/config/load.ts'
import type { StoreCall } from '../../src/sharing/sharing-log.ts'
import type { Claim, Put } from '../../src/sharing/cell.ts'
import { createValkeyCell } from '../../src/sharing/valkey.ts'
import { closing } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'

/** A cell on this server, connected, or given up after a second. */
export async function connect(port: number, env: Environment = {}) {
  const calls: StoreCall[] = []
  let looks = 0
  const cell = await createValkeyCell({
    ...storeSettings({ SESSION_STORE_URL: `valkey://127.0.0.1:${port}`, ...env }),
    place: 'test',
    clock: systemClock,
    random: Math.random,
    observe: (call) => calls.push(call),
  })
  closing.push(() => cell.stop())
  cell.start(() => {
    looks += 1
  })
  // Both connections ask for a look when they are there.
  const limit = systemClock.now() + 1000
  await until(() => looks >= 2 || systemClock.now() > limit)
  /** `looks`: how often the store asked to look again. */
  return { cell, calls, looks: () => looks }
}

/** The settings that these variables give, with a user, a key and an iSales. */
export function storeSettings(env: Environment) {
  const ends = { ISALES_URL: 'https://isales', ISALES_USER: 'obs', ISALES_PASSWORD: 'p' }
  const readFile: ReadFile = (path, limit) =>
    path === 'key' ? { ok: true, bytes: Buffer.from(KEY) } : readSmallFile(path, limit)
  const loaded = loadConfig({ ...ends, SESSION_STORE_KEY_FILE: 'key', ...env }, readFile)
  const address = loaded.config.sessionStoreUrl
  if (!loaded.ok || address === undefined) throw new Error(JSON.stringify(loaded))
  return { config: loaded.config, address }
}

const KEY = 'k'.repeat(32)
export const KEYS = 'isales-auth-proxy:v3:{test}:'
export const BOOK = `book:${'f'.repeat(22)}`
export const PROCESS_A = 'a'.repeat(16)
export const PROCESS_B = 'b'.repeat(16)
/** What the first claim gets. */
export const MINE = { type: 'mine', value: '', ms: -2 }

export function claimBy(process: string, seen = ''): Claim {
  return { seen, lease: `${process}-1`, book: BOOK }
}

/** A token as the store sees it: bytes that nobody has seen before. */
export function tokenBy(process: string, ms = 600_000): Put {
  const value = randomBytes(60).toString('base64url')
  return { lease: `${process}-1`, key: 'token', value, ms, release: true }
}
