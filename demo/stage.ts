import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp, type Addresses } from '../src/server.ts'
import type { Config } from '../src/config/settings.ts'
import { loadConfig, type Environment } from '../src/config/load.ts'
import type { LogEventName } from '../src/log/events.ts'
import type { LogFields } from '../src/log/logger.ts'
import { effectiveSettings } from '../src/admin/status.ts'
import type { TokenEvent } from '../src/token/events.ts'
import { createAuthority } from '../simulator/certificates.ts'
import { createSimulator, type Simulator, type SimulatorTls } from '../simulator/index.ts'

/** The simulated iSales and the proxy in front of it, both on free ports of loopback. */
export interface Stage extends Addresses {
  readonly sim: Simulator
  readonly config: Config
  close(): Promise<void>
}

interface StageOptions {
  readonly tls: boolean
  /** Seconds that a token lives. */
  readonly tokenLifetime: number
  readonly onTokenEvent: (event: TokenEvent) => void
  readonly onLog: (event: LogEventName, fields?: LogFields) => void
}

const USER = 'tenant-4711'
const PASSWORD = 'known-to-the-proxy-only'
/** What CTI-OBS logs in with, at the proxy; iSales has never heard of it. */
export const OBS_USER = 'cti-obs'
export const OBS_PASSWORD = 'known-to-cti-obs-only'
/** The shortest there is, so that CTI-OBS is seen to refresh its own ticket. */
const TICKET_LIFETIME = '10s'

/** What was begun is undone when the next step fails. */
export async function openStage(options: StageOptions): Promise<Stage> {
  const undo: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const tls = options.tls ? await makeTls(undo) : undefined
    const { tokenLifetime } = options
    const sim = await createSimulator({
      switches: { user: USER, password: PASSWORD, tokenLifetime, rotate: true },
      ...(tls === undefined ? {} : { tls: tls.pems }),
    })
    undo.push(() => sim.close())
    const loaded = loadFor(sim.origin, tls?.caFile)
    const { config } = loaded
    const app = createApp({
      config,
      version: 'demo',
      settings: effectiveSettings(loaded),
      logger: { log: options.onLog, logAccess: () => undefined },
      onTokenEvent: options.onTokenEvent,
    })
    undo.push(() => app.stop())
    return { ...(await app.start()), sim, config, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** As from an environment, so that what is shown is what an operator would set. */
function loadFor(origin: string, caFile: string | undefined) {
  const env: Environment = {
    ISALES_URL: origin,
    ISALES_USER: USER,
    ISALES_PASSWORD: PASSWORD,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    OBS_LOGIN: 'require',
    OBS_USER,
    OBS_PASSWORD,
    OBS_TICKET_LIFETIME: TICKET_LIFETIME,
    ...(caFile === undefined ? {} : { ISALES_CA_FILE: caFile }),
  }
  const loaded = loadConfig(env)
  if (loaded.ok) return loaded
  throw new Error(loaded.errors.map(({ setting, problem }) => `${setting} ${problem}`).join('; '))
}

async function makeTls(
  undo: (() => Promise<void>)[],
): Promise<{ readonly pems: SimulatorTls; readonly caFile: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'isales-demo-'))
  undo.push(() => rm(directory, { recursive: true, force: true }))
  const authority = await createAuthority()
  const caFile = join(directory, 'ca.pem')
  await writeFile(caFile, authority.cert)
  return { pems: await authority.issue({ names: ['localhost', '127.0.0.1'] }), caFile }
}
