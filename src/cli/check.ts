import { constants, existsSync } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import { loadConfig, SETTING_LIST, type Config, type EffectiveSetting } from '../config/index.ts'
import type { IsalesClient } from '../token/index.ts'
import { causeOfDisk, codeOf } from '../causes.ts'
import { describeResponse, openAdminClient } from './admin-probe.ts'
import { EXIT } from './exit-codes.ts'
import {
  endedBy,
  writeErrors,
  writeProblems,
  type FlagValues,
  type Io,
  type Command,
} from './io.ts'
import { logInForReplicas } from './command-login.ts'
import { probe, VERDICTS } from './prober.ts'
import { table } from '../terminal.ts'
import { placesOf } from '../upstream/index.ts'
import { explain, wordsOf, type Words } from '../words/index.ts'

export const check: Command = async (flags, io) => {
  if (flags['health'] && (flags['live'] || flags['quiet'])) {
    io.stderr.write(`${wordsOf(io.env).command.health}\n`)
    return EXIT.usage
  }
  return flags['health'] ? checkHealth(io) : checkConfig(flags, io)
}

/** Asks the running proxy whether it lives. */
async function checkHealth(io: Io): Promise<number> {
  const response = await openAdminClient(io)?.('/livez')
  if (response === undefined) return EXIT.usage
  io.stdout.write(`${describeResponse(response, wordsOf(io.env))}\n`)
  return response.status === 200 ? EXIT.ok : EXIT.notReady
}

async function checkConfig(flags: FlagValues, io: Io): Promise<number> {
  const loaded = loadConfig(io.env)
  const errors = loaded.ok ? [] : loaded.errors
  if (!flags['quiet']) {
    const wrong = new Set(errors.map(({ setting }) => setting))
    io.stdout.write(configTable(loaded.settings, wrong, wordsOf(io.env)))
  }
  writeProblems(io, loaded)
  if (!loaded.ok) return EXIT.usage
  // With a login the book says it.
  if (!flags['live']) await warnOfStateDir(loaded.config, io)
  if (!flags['quiet']) io.stdout.write('\n')
  if (flags['live']) return checkLive(loaded.config, io)
  io.stdout.write(`${wordsOf(io.env).check.sound}\n`)
  return EXIT.ok
}

/** The proxy makes the directory when it is missing. */
async function warnOfStateDir(config: Config, io: Io): Promise<void> {
  const { stateDir } = config
  if (stateDir === undefined) return
  const { W_OK, X_OK } = constants
  let there = stateDir
  while (!existsSync(there)) there = dirname(there)
  // With a dot at the end a file is no directory.
  const code = await access(`${there}/.`, W_OK | X_OK).then(() => undefined, codeOf)
  if (code === undefined) return
  const words = wordsOf(io.env)
  const failure = { cause: causeOfDisk(code), detail: code }
  const { what, todo } = explain(words, placesOf(config), failure)
  writeErrors(io, [{ setting: 'STATE_DIR', said: () => [what, todo] }], words.check.warning)
}

/** The conversation with the settings as they are. Returns the exit code. */
async function checkLive(config: Config, io: Io): Promise<number> {
  const { signal, stdout, stderr } = io
  const words = wordsOf(io.env)
  const { check } = words
  const logIn = (isales: IsalesClient) => logInForReplicas(config, isales, io)
  const { verdict, findings } = await probe({ config, signal, words, vary: false, logIn })
  if (signal.aborted) return endedBy(signal)
  const good = findings.filter(({ remedy }) => remedy === '')
  stdout.write(table(good.map(({ topic, evidence }) => [topic, evidence])))
  const code = VERDICTS[verdict]
  const label = code === EXIT.ok ? check.warning : check.error
  for (const one of findings.filter(({ remedy }) => remedy !== ''))
    stderr.write(check.labelled(label, `${one.topic} ${words.line(one.evidence, one.remedy)}\n`))
  ;(code === EXIT.ok ? stdout : stderr).write(`${check.verdicts[verdict]}\n`)
  return code
}

const NOT_SET = '-'

/** The default is shown where another value is in force. */
function configTable(
  settings: readonly EffectiveSetting[],
  /** An error may name any variable of the setting. */
  wrong: ReadonlySet<string>,
  { check, page, settings: said }: Words,
): string {
  const show = (value: string | null = null): string =>
    value === '' ? check.empty : (value ?? NOT_SET)
  const from = (source: string): string => {
    if (source === 'default') return check.byDefault
    const [, path] = /^file (.*)/s.exec(source) ?? []
    return path === undefined ? page.environment : page.file({ path })
  }
  const lines: (readonly string[])[] = [check.head]
  for (const [i, { name: variable, value, source }] of settings.entries()) {
    const setting = SETTING_LIST[i]
    const { name = '', group, variables = [], derived } = setting ?? {}
    if (group !== undefined && group !== SETTING_LIST[i - 1]?.group)
      lines.push([], [said.groups[group]])
    const standard = show(setting?.default ?? derived?.(said).replaceAll('`', ''))
    if ([name, ...variables].some((one) => wrong.has(one)))
      lines.push([variable, check.wrong, NOT_SET, standard])
    else lines.push([variable, show(value), from(source), source === 'default' ? '' : standard])
  }
  return table(lines)
}
