import { constants, existsSync } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { causeOfDisk, codeOf } from '../causes.ts'
import { loadConfig, type Config, type Loaded } from '../config/index.ts'
import { parseObject } from '../json.ts'
import { ListenError, tryToListen } from '../listener/index.ts'
import { table } from '../terminal.ts'
import { placesOf } from '../upstream/index.ts'
import { explain, wordsOf, type Words } from '../words/index.ts'
import { openAdminClient } from './admin-client.ts'
import { converse, VERDICTS } from './conversation.ts'
import { endedBy, EXIT, writeProblems, type Command, type Io } from './io.ts'

export const check: Command = async (flags, io) => {
  const loaded = loadConfig(io.env)
  const words = wordsOf(io.env)
  if (!flags['quiet']) io.stdout.write(`${settingsTable(loaded, words)}\n`)
  writeProblems(io, loaded.problems)
  if (!loaded.ok) return EXIT.usage
  if (await arePortsTaken(loaded.config, io)) return EXIT.usage
  if (flags['live']) return checkLive(loaded.config, io)
  await warnOfStateDir(loaded.config, io)
  io.stdout.write(`${words.check.sound}\n`)
  return EXIT.ok
}

/** The proxy makes the directory when it is missing. With a login, the book says it. */
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
  const line = `STATE_DIR ${words.line(what, todo)}`
  io.stderr.write(`${words.check.labelled(words.check.warning, line)}\n`)
}

/** Milliseconds after which a port is tried once more: another check has it for less. */
const PATIENCE = 250

/** Whether a proxy with these settings could not listen, after saying why. The ports of one that runs are its own. */
async function arePortsTaken({ listen, adminListen }: Config, io: Io): Promise<boolean> {
  const ask = adminListen.port === 0 ? undefined : openAdminClient(io)
  const response = await ask?.('/livez')
  if (parseObject(response?.body ?? '')?.['status'] === 'live') return false
  const ports = { ...(!io.isUnit && { LISTEN: listen }), ADMIN_LISTEN: adminListen }
  let isTaken = false
  for (const [setting, address] of Object.entries(ports)) {
    const attempt = () => tryToListen(setting, address)
    try {
      await attempt().catch(() => delay(PATIENCE).then(attempt))
    } catch (error) {
      if (!(error instanceof ListenError)) throw error
      const words = wordsOf(io.env)
      const line = words.check.labelled(setting, error.said(words))
      io.stderr.write(`${words.check.labelled(words.check.error, line)}\n`)
      isTaken = true
    }
  }
  return isTaken
}

/** The conversation with iSales. Returns the exit code. */
async function checkLive(config: Config, io: Io): Promise<number> {
  const { check, line } = wordsOf(io.env)
  const { verdict, findings, settings } = await converse(config, io)
  if (io.signal.aborted) return endedBy(io.signal)
  const code = VERDICTS[verdict]
  const label = code === EXIT.ok ? check.warning : check.error
  const good = findings.filter(({ remedy }) => remedy === '')
  io.stdout.write(table(good.map(({ topic, evidence }) => [topic, evidence])))
  for (const { topic, evidence, remedy } of findings.filter((one) => one.remedy !== ''))
    io.stderr.write(`${check.labelled(label, `${topic} ${line(evidence, remedy)}`)}\n`)
  for (const [name, text] of Object.entries(settings)) io.stdout.write(`${check.set(name, text)}\n`)
  const to = code === EXIT.ok ? io.stdout : io.stderr
  to.write(`${check.verdicts[verdict]}\n`)
  return code
}

const NOT_SET = '-'

function settingsTable({ settings, problems }: Loaded, { check, page }: Words): string {
  const errors = problems.filter(({ isWarning }) => !isWarning)
  const wrong = errors.map(({ setting }) => setting.toUpperCase())
  return table([
    check.head,
    ...settings.map(({ name, value, source }) => {
      if (wrong.some((one) => one === name || one === `${name}_FILE`))
        return [name, check.wrong, '']
      const [, path] = /^file (.*)/s.exec(source) ?? []
      const given = path === undefined ? page.environment : page.file({ path })
      return [name, value || NOT_SET, source === 'default' ? '' : given]
    }),
  ])
}
