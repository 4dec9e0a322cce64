import { once } from 'node:events'
import { startApp } from '../server.ts'
import { loadConfig } from '../config/index.ts'
import { createLog, openStdout, type LogEventName } from '../log/index.ts'
import { ListenError } from '../listener/index.ts'
import { explainTaken } from './admin-client.ts'
import { EXIT, writeMessage, type Command } from './io.ts'
import { createNotifier, passedSocket } from './systemd.ts'
import { en, formatLine, messagesFor } from '../messages/index.ts'

export const run: Command = async (_, io) => {
  const loaded = loadConfig(io.env)
  const messages = messagesFor(io.env)
  const pretty = io.isTTY
  const stdout = openStdout()
  const log = await createLog({
    // Uses the default if the setting could not be read.
    level: loaded.config.logLevel ?? 'info',
    format: pretty ? 'pretty' : 'json',
    destination: stdout,
    colors: stdout.colors,
  })
  const systemd = createNotifier(io.env)
  const logProblem = (event: LogEventName, problem: ListenError['problem']) =>
    log(event, { setting: problem.setting, code: problem.code, detail: formatLine(en, problem) })
  const sentence = (problem: ListenError['problem']) =>
    messages.labelled(problem.setting, formatLine(messages, problem))
  const fatal = (error: unknown): Promise<void> => {
    log('unexpected', { error }, 'fatal')
    return stdout.flush()
  }
  if (loaded.ok) log('starting', { version: BUILD_VERSION })
  // A misspelled name is often the reason why another one is not set.
  for (const problem of loaded.problems)
    if (pretty && !loaded.ok) writeMessage(io, problem)
    else logProblem(problem.isWarning ? 'setting-doubtful' : 'setting-wrong', problem)
  try {
    if (!loaded.ok) {
      const errors = loaded.problems.filter(({ isWarning }) => !isWarning)
      await systemd.failed(errors.map(sentence).join(' | '))
      return EXIT.usage
    }
    io.onFatal(fatal)
    const { config } = loaded
    const fd = passedSocket(io)
    const app = await startApp({
      config: fd === undefined ? config : { ...config, listen: { ...config.listen, fd } },
      env: io.env,
      version: BUILD_VERSION,
      process: { pid: io.pid, processScope: io.processScope },
      log,
      stdout,
    })
    io.onHangUp(() => void app.renew())
    systemd.ready()
    if (!io.signal.aborted) await once(io.signal, 'abort')
    systemd.stopping()
    await app.stop(String(io.signal.reason))
    return EXIT.ok
  } catch (error) {
    if (!(error instanceof ListenError)) {
      await fatal(error)
      return EXIT.failed
    }
    const problem = await explainTaken(error.problem, io)
    if (pretty) writeMessage(io, problem)
    else logProblem('cannot-listen', problem)
    await systemd.failed(sentence(problem))
    return error.lasting ? EXIT.usage : EXIT.failed
  } finally {
    await stdout.flush()
  }
}
