import { onTestFinished } from 'vitest'
import { createSimulator, type Simulator, type SimulatorOptions } from '../../simulator/index.ts'
import { runCommand } from '../../src/cli/run.ts'
import type { Environment } from '../../src/config/load.ts'

/** What a command left behind. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Surroundings {
  readonly env?: Environment
  readonly signal?: AbortSignal
}

/** Runs a command in this process. */
export async function runHere(
  argv: readonly string[],
  { env = {}, signal = new AbortController().signal }: Surroundings = {},
): Promise<Ran> {
  const written = { stdout: '', stderr: '' }
  const code = await runCommand(argv, {
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    env,
    isTTY: false,
    pid: process.pid,
    program: '',
    hangUp: () => undefined,
    uid: 1000,
    signal,
    onHangUp: () => undefined,
    onFatal: () => undefined,
    llhttp: '9.3.1',
  })
  return { code, ...written }
}

/** A simulated iSales that is closed when the test ends, and the settings for its account. */
export async function openIsales(options?: SimulatorOptions) {
  const sim = await createSimulator(options)
  onTestFinished(() => sim.close())
  return { sim, env: accountOf(sim) }
}

export function accountOf({ origin, switches }: Simulator) {
  const { user, password } = switches
  return { ISALES_URL: origin, ISALES_USER: user, ISALES_PASSWORD: password }
}
