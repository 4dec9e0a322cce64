import { mkdirSync, writeFileSync } from 'node:fs'
import { loadConfig } from '../config/load.ts'
import { renewFile } from '../config/reload.ts'
import { codeOf } from '../upstream/errors.ts'
import { EXIT } from './exit-codes.ts'
import { defineCommand } from './io.ts'

/**
 * Asks by a file in `STATE_DIR`. A signal would need the process id, which may be of another process by now, and the
 * admin listener changes nothing.
 */
export const command = defineCommand({
  summary: 'Let a running proxy log in now, whatever its back-off is',
  text: `Asks the proxy that has the same STATE_DIR to read its secrets again and to log in,
once: for after a password was corrected or an account unlocked. SIGHUP does the
same, and needs no STATE_DIR.`,
  flags: {},
  async run(_, io) {
    const { stateDir } = loadConfig(io.env).config
    if (stateDir === undefined) {
      io.stderr.write('STATE_DIR is not set. Set it, or send SIGHUP to the proxy.\n')
      return EXIT.usage
    }
    try {
      mkdirSync(stateDir, { recursive: true, mode: 0o700 })
      // Another content each time: the proxy looks at nothing else.
      writeFileSync(renewFile(stateDir), `${new Date().toISOString()}\n`, { mode: 0o600 })
    } catch (error) {
      io.stderr.write(`STATE_DIR (${stateDir}) cannot be written to (${codeOf(error)}).\n`)
      return EXIT.failed
    }
    io.stdout.write('The proxy will log in within 5 s. Its log says what came of it.\n')
    return EXIT.ok
  },
})
