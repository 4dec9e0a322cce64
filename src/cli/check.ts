import { formatError } from '../config/errors.ts'
import { effectiveSettings, loadConfig } from '../config/load.ts'
import { openProbe } from './admin-probe.ts'
import { EXIT } from './exit-codes.ts'
import { defineCommand, writeErrors, type FlagValues, type Io } from './io.ts'
import { checkLive } from './live.ts'
import { table } from './text.ts'

const FLAGS = {
  live: {
    type: 'boolean',
    doc: 'Log in to iSales once, call business/interface once, and say what came of it',
  },
  quiet: { type: 'boolean', doc: 'Print no settings, only what is wrong and the verdict' },
  health: {
    type: 'boolean',
    doc: 'Ask the proxy that runs here (ADMIN_LISTEN, /livez) instead; for HEALTHCHECK',
  },
} as const

export const command = defineCommand({
  summary: 'Check the configuration, the login, or a running proxy',
  text: `Prints every setting with its value (secrets redacted), where it came from and
its default, and everything that is wrong with what to do about it.

With --live it then logs in once, never twice: a wrong password costs one attempt.
With the token it calls business/interface, which changes nothing.
Where iSales allows a user one session only, that login may end the session of a
running proxy, which then logs in again. With SESSION_STORE_URL it logs in under
the lease of the store, and running replicas take the new token.`,
  flags: FLAGS,
  async run(flags, io) {
    if (flags.health === true && (flags.live === true || flags.quiet === true)) {
      io.stderr.write('--health asks a running proxy: it excludes --live and --quiet.\n')
      return EXIT.usage
    }
    return flags.health === true ? checkHealth(io) : checkConfig(flags, io)
  },
})

/** Asks the running proxy whether it lives. */
async function checkHealth(io: Io): Promise<number> {
  const probe = openProbe(io)
  if (probe === undefined) return EXIT.usage
  const { ready, text } = await probe('/livez')
  io.stdout.write(`The proxy ${text}.\n`)
  return ready ? EXIT.ok : EXIT.notReady
}

async function checkConfig(flags: FlagValues<typeof FLAGS>, io: Io): Promise<number> {
  const loaded = loadConfig(io.env)
  const errors = loaded.ok ? [] : loaded.errors
  if (flags.quiet !== true) {
    const wrong = new Set(errors.map(({ setting }) => setting))
    io.stdout.write(configTable(effectiveSettings(loaded), wrong))
  }
  for (const warning of loaded.warnings) io.stderr.write(`Warning: ${formatError(warning)}\n`)
  writeErrors(io, errors, 'Error: ')
  if (!loaded.ok) return EXIT.usage
  if (flags.quiet !== true) io.stdout.write('\n')
  if (flags.live === true) return checkLive(loaded.config, io)
  io.stdout.write('The configuration is sound.\n')
  return EXIT.ok
}

const NOT_SET = '-'

/** The default is shown where another value is in force. */
function configTable(
  settings: ReturnType<typeof effectiveSettings>,
  wrong: ReadonlySet<string>,
): string {
  const lines: string[][] = [['SETTING', 'VALUE', 'FROM', 'DEFAULT']]
  let shown = ''
  for (const { name, group, value, source, default: standard = null } of settings) {
    if (group !== shown) lines.push([], [group])
    shown = group
    if (isWrong(name, wrong)) lines.push([name, '(error, see below)', NOT_SET, show(standard)])
    else lines.push([name, show(value), source, source === 'default' ? '' : show(standard)])
  }
  return table(lines)
}

/** An error may name the file variable, or the lower-case name of a proxy variable. */
function isWrong(setting: string, wrong: ReadonlySet<string>): boolean {
  const names = [setting, `${setting}_FILE`, setting.replace(/_FILE$/, ''), setting.toLowerCase()]
  return names.some((name) => wrong.has(name))
}

function show(value: string | null): string {
  return value === '' ? '(empty)' : (value ?? NOT_SET)
}
