import { formatDuration } from '../config/formats.ts'
import { loadConfig } from '../config/load.ts'
import { askToRenew, type RenewOutcome } from '../listener/control.ts'
import { codeOf } from '../causes.ts'
import { EXIT } from './exit-codes.ts'
import { endedBy, readTimeout, type Command } from './io.ts'

const LIMITS = { min: '1s', max: '1h' }

export const command: Command = {
  summary: 'Let a running proxy log in now, whatever its back-off is',
  text: `Asks the proxy that has the same STATE_DIR to read its secrets again and to log in,
once, and says what came of it: for after a password was corrected or an account
unlocked. It has to run as root or as the user of the proxy. SIGHUP asks for the same,
and needs no STATE_DIR.`,
  flags: {
    timeout: { value: '60s', doc: 'Wait so long for the login (default 60s)' },
  },
  async run(flags, io) {
    const timeout = readTimeout(io, flags['timeout'], LIMITS)
    if (timeout === undefined) return EXIT.usage
    const { stateDir } = loadConfig(io.env).config
    if (stateDir === undefined) {
      io.stderr.write('STATE_DIR is not set. Set it, or send SIGHUP to the proxy.\n')
      return EXIT.usage
    }
    const late = AbortSignal.timeout(timeout)
    try {
      const outcome = await askToRenew(stateDir, AbortSignal.any([io.signal, late]))
      if (outcome === undefined) {
        io.stderr.write('The proxy ended before the login did.\n')
        return EXIT.unreachable
      }
      io.stdout.write(`${sentence(outcome)}\n`)
      return CODES[outcome.outcome]
    } catch (error) {
      if (io.signal.aborted) return endedBy(io.signal)
      if (late.aborted) {
        const waited = formatDuration(timeout)
        io.stderr.write(`The login was asked for, and did not end within ${waited}.\n`)
        return EXIT.unreachable
      }
      const code = codeOf(error)
      const remedy = REMEDIES[code] ?? REMEDIES['ENOENT']
      io.stderr.write(
        `Nothing was done: no proxy responds in STATE_DIR (${stateDir}): ${code}. ${remedy}.\n`,
      )
      return EXIT.notReady
    }
  },
}

const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'This user may not reach it: run the command as the user of the proxy, or as root',
  ENOENT: 'Give the STATE_DIR of the proxy, or send the proxy SIGHUP',
}

const CODES = {
  granted: EXIT.ok,
  refused: EXIT.refused,
  failed: EXIT.unreachable,
  held: EXIT.unreachable,
} as const satisfies Record<RenewOutcome['outcome'], number>

function sentence(outcome: RenewOutcome): string {
  const { guarded, lifetimeSeconds = 0, reason = 'unknown', retryInSeconds = 0 } = outcome
  const anyway = guarded ? 'The account was guarded, and iSales was asked anyway. ' : ''
  const until = new Date(Date.now() + lifetimeSeconds * 1000).toISOString()
  const again = `The next attempt is in ${formatDuration(retryInSeconds * 1000)}`
  const ends = {
    granted: `Logged in: a token until ${until}.`,
    refused: `iSales refused the user or password. ${again}.`,
    failed: `No login came about (${reason}). ${again}.`,
    held: `iSales was not asked (${reason}). ${again}.`,
  }
  return anyway + ends[outcome.outcome]
}
