import { setTimeout as delay } from 'node:timers/promises'
import { connectionsWithin, loadConfig, type Config, type Loaded } from '../config/index.ts'
import { ListenError, tryToListen } from '../listener/index.ts'
import { table } from '../terminal.ts'
import {
  factsLine,
  formatLine,
  messagesFor,
  type Explained,
  type Messages,
} from '../messages/index.ts'
import { explainTaken } from './admin-client.ts'
import { runLiveCheck, VERDICTS } from './live-check.ts'
import { endedBy, EXIT, writeMessage, type Command, type Io } from './io.ts'

export const run: Command = async (flags, io) => {
  const loaded = loadConfig(io.env)
  const messages = messagesFor(io.env)
  // `--live` writes only settings to change to stdout, so that a shell can append them to an env file.
  const out = flags['live'] ? io.stderr : io.stdout
  if (!flags['quiet']) out.write(`${settingsTable(loaded, messages)}\n`)
  for (const problem of loaded.problems) writeMessage(io, problem)
  if (!loaded.ok) return EXIT.usage
  const { config } = loaded
  if (connectionsWithin(config) < config.listenMaxConnections) {
    const setting = 'MAX_IN_FLIGHT'
    writeMessage(io, { code: 'no-descriptors', facts: [], setting, isWarning: true })
  }
  if (await arePortsTaken(config, io)) return EXIT.usage
  if (flags['live']) return checkLive(loaded, config, io, flags['trace'])
  io.stdout.write(verdictLine(messages, 'check-sound', loaded))
  return EXIT.ok
}

/** Milliseconds before a port is tried again, because another check may use it for a moment. */
const PATIENCE = 250

/** Returns true, with the reason printed, if these ports cannot be opened and no such proxy runs. */
async function arePortsTaken({ listen, adminListen }: Config, io: Io): Promise<boolean> {
  const ports = { ...(!io.isUnit && { LISTEN: listen }), ADMIN_LISTEN: adminListen }
  let isTaken = false
  for (const [setting, address] of Object.entries(ports)) {
    const attempt = () => tryToListen(setting, address)
    try {
      await attempt().catch(() => delay(PATIENCE).then(attempt))
    } catch (error) {
      if (!(error instanceof ListenError)) throw error
      const problem = await explainTaken(error.problem, io)
      if (problem.code === 'already-running') return false
      writeMessage(io, problem)
      isTaken = true
    }
  }
  return isTaken
}

async function checkLive(loaded: Loaded, config: Config, io: Io, trace?: boolean): Promise<number> {
  const words = messagesFor(io.env)
  const { cli } = words
  const { verdict, results, settings } = await runLiveCheck(config, io, trace)
  if (io.signal.aborted) return endedBy(io.signal)
  const good = results.filter(({ code }) => code === undefined)
  const rows = good.map(({ topic, facts }) => [cli.topics[topic], factsLine(words, facts)])
  io.stderr.write(table(rows))
  for (const { topic, code, facts, isError } of results)
    if (code !== undefined)
      writeMessage(io, { code, facts, setting: cli.topics[topic], isWarning: !isError })
  const differ = Object.entries(settings)
  // systemd treats a backslash as the beginning of an escape.
  for (const [name, text] of differ) io.stdout.write(`${name}=${text.replaceAll('\\', '$&$&')}\n`)
  const inShell = differ.map(([name, text]) =>
    text ? `export ${name}='${text.replaceAll("'", String.raw`'\''`)}'` : `unset ${name}`,
  )
  if (differ.length > 0) io.stderr.write(`${[cli.shell, ...inShell].join('\n')}\n`)
  io.stderr.write(verdictLine(words, verdict, loaded))
  return VERDICTS[verdict]
}

/** The verdict, which names variables that look like settings and are not. */
function verdictLine(messages: Messages, code: Explained['code'], { problems }: Loaded): string {
  const unknown = problems.filter((problem) => problem.code === 'unknown-setting')
  const names = unknown.map(({ setting }) => setting).join(', ')
  return `${formatLine(messages, { code, facts: names === '' ? [] : [['unknown', names]] })}\n`
}

function settingsTable({ settings, problems }: Loaded, { cli }: Messages): string {
  const errors = problems.filter(({ isWarning }) => !isWarning)
  const wrong = errors.map(({ setting }) => setting.toUpperCase())
  const from = { default: '', environment: cli.environment }
  return table([
    cli.head,
    ...settings.map(({ name, value, source }) => {
      if (wrong.some((one) => one === name || one === `${name}_FILE`)) return [name, cli.wrong, '']
      const given = typeof source === 'string' ? from[source] : `${cli.file} ${source.file}`
      return [name, value || '-', given]
    }),
  ])
}
