import type { Simulator, SimulatorOptions } from '../../simulator/index.ts'
import type { Io } from '../../src/cli/io.ts'
import { runCommand } from '../../src/cli/index.ts'
import type { Environment } from '../../src/config/load.ts'
import { simulate } from '../simulator/caller.ts'

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Surroundings {
  readonly env?: Environment
  /** Stdout is a terminal. Default: false. */
  readonly isTTY?: boolean
  readonly signal?: AbortSignal
}

export async function runHere(
  argv: readonly string[],
  { env = {}, isTTY = false, signal = new AbortController().signal }: Surroundings = {},
): Promise<Ran> {
  const written = { stdout: '', stderr: '' }
  const io: Io = {
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    env,
    isTTY,
    pid: process.pid,
    processScope: '',
    hangUp: () => true,
    signal,
    onHangUp: () => undefined,
    onFatal: () => undefined,
  }
  const code = await runCommand(argv, io)
  return { code, ...written }
}

export async function openIsales(options?: SimulatorOptions) {
  const { sim } = await simulate(options)
  return { sim, env: accountOf(sim) }
}

export function accountOf({ origin, switches: { user, password } }: Simulator) {
  return { ISALES_URL: origin, ISALES_USER: user, ISALES_PASSWORD: password }
}
