import { loadConfig, SECRET_VARIABLES, SETTING_LIST } from '../config/index.ts'
import { EXIT } from './exit-codes.ts'
import { endedBy, writeProblems, type Io, type Command } from './io.ts'
import { probe, sentences, VERDICTS, type Probed } from './prober.ts'
import { table } from '../terminal.ts'
import { wordsOf } from '../words/index.ts'

export const command: Command = {
  summary: 'Find the settings that suit your iSales',
  example: '> isales.env',
  text: `Logs in once with the configured user and password, then calls business/interface,
which changes nothing, in each form that the editions of the interface describe, and
refreshes the token. Prints an env file: what it found as comments, and the settings to
use, those that were given, but for secrets, and those that have to differ from the
defaults.

It never tries a wrong password, and stops at the first refusal. Where iSales allows a
user one session only, the login may end the session of a running proxy, which then
logs in again.`,
  flags: {
    'second-login': {
      doc: 'Log in twice, to see whether that ends the first token',
    },
  },
  async run(flags, io) {
    const loaded = loadConfig(io.env)
    writeProblems(io, loaded)
    if (!loaded.ok) return EXIT.usage
    const { config } = loaded
    const words = wordsOf(io.env)
    const { signal } = io
    const secondLogin = flags['second-login'] !== undefined
    const probed = await probe({ config, signal, words, vary: true, secondLogin })
    if (signal.aborted) return endedBy(signal)
    io.stdout.write(envFile(probed, io))
    io.stderr.write(`${words.check.verdicts[probed.verdict]}\n`)
    return VERDICTS[probed.verdict]
  },
}

/** Settings that the conversation decides: what was given for them does not count. */
const DECIDED = /^(?:ISALES_(?:TOKEN|REFRESH_HEADER)_|ISALES_REJECTED_)/

/** The settings of the environment, but for secrets and for what was found instead. */
function givenIn({ env }: Io, found: Probed['settings']): Readonly<Record<string, string>> {
  const given: Record<string, string> = {}
  for (const setting of SETTING_LIST)
    for (const name of setting.variables) {
      const value = env[name]?.trim() ?? ''
      const shown = name.endsWith('_FILE') ? value : (setting.redact?.(value) ?? value)
      const isOpen = value !== '' && shown === value
      if (isOpen && !DECIDED.test(name) && !(name in found)) given[name] = value
    }
  return given
}

function envFile({ findings, settings }: Probed, io: Io): string {
  const comments = table(findings.map((one) => [`# ${one.topic}`, sentences(one, wordsOf(io.env))]))
  const given = { ...givenIn(io, settings), ...settings }
  const lines = Object.entries(given).map(([name, value]) => assignment(name, value))
  const secrets = SECRET_VARIABLES.filter((name) => (io.env[name] ?? '') !== '' && !(name in given))
  const missing = secrets.map((name) => `# ${name} is a secret: add it\n`)
  return comments + lines.join('') + missing.join('')
}

/** A line for a shell as well as for systemd. Some values are of iSales, and must run nothing in a shell that reads them. */
function assignment(name: string, value: string): string {
  if (/^[\w./:,@%+=-]*$/.test(value)) return `${name}=${value}\n`
  if (/^[^'\\\p{C}]*$/u.test(value)) return `${name}='${value}'\n`
  return `# ${name} has a value that no env file can hold: set it by hand\n`
}
