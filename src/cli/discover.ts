import { loadConfig, SECRET_VARIABLES, SETTING_LIST } from '../config/index.ts'
import type { IsalesClient } from '../token/index.ts'
import { logInAlone } from './command-login.ts'
import { EXIT } from './exit-codes.ts'
import { endedBy, writeProblems, type Io, type Command } from './io.ts'
import { probe, VERDICTS, type Probed } from './prober.ts'
import { table } from '../terminal.ts'
import { wordsOf, type Words } from '../words/index.ts'

export const discover: Command = async (flags, io) => {
  const loaded = loadConfig(io.env)
  writeProblems(io, loaded)
  if (!loaded.ok) return EXIT.usage
  const { config } = loaded
  const words = wordsOf(io.env)
  const { signal } = io
  const secondLogin = flags['second-login'] !== undefined
  const logIn = (isales: IsalesClient) => logInAlone(config, isales, io)
  const probed = await probe({ config, signal, words, vary: true, secondLogin, logIn })
  if (signal.aborted) return endedBy(signal)
  io.stdout.write(envFile(probed, io))
  io.stderr.write(`${words.check.verdicts[probed.verdict]}\n`)
  return VERDICTS[probed.verdict]
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
  const words = wordsOf(io.env)
  const comments = table(
    findings.map(({ topic, evidence, remedy }) => [`# ${topic}`, words.line(evidence, remedy)]),
  )
  const given = { ...givenIn(io, settings), ...settings }
  const lines = Object.entries(given).map(([name, value]) => assignment(name, value, words))
  const secrets = SECRET_VARIABLES.filter((name) => (io.env[name] ?? '') !== '' && !(name in given))
  const missing = secrets.map((name) => `# ${words.check.addSecret(name)}\n`)
  return comments + lines.join('') + missing.join('')
}

/** A line for a shell as well as for systemd. Some values are of iSales, and must run nothing in a shell that reads them. */
function assignment(name: string, value: string, { check }: Words): string {
  if (/^[\w./:,@%+=-]*$/.test(value)) return `${name}=${value}\n`
  if (/^[^'\\\p{C}]*$/u.test(value)) return `${name}='${value}'\n`
  return `# ${check.setByHand(name)}\n`
}
