import { once } from 'node:events'
import { startApp } from '../server.ts'
import { formatError, loadConfig } from '../config/index.ts'
import { createLog, openStdout } from '../log/index.ts'
import { ListenError } from '../listener/index.ts'
import { EXIT } from './exit-codes.ts'
import { readerOf, writeProblems, type Command } from './io.ts'
import { createNotifier, passedSocket } from './systemd.ts'
import { en, wordsOf } from '../words/index.ts'

/** The proxy itself, until a signal comes. */
export const serve: Command = async (_, io) => {
  const loaded = loadConfig(io.env)
  const words = wordsOf(io.env)
  const { warnings } = loaded
  // When one of them could not be read, its default counts.
  const { logFormat = 'auto', logLevel = 'info' } = loaded.config
  const pretty = logFormat === 'pretty' || (logFormat === 'auto' && io.isTTY)
  if (!loaded.ok && pretty) {
    writeProblems(io, loaded)
    io.stderr.write(`${words.command.notStarted}\n`)
    return EXIT.usage
  }
  const stdout = openStdout()
  const log = await createLog({
    level: logLevel,
    format: pretty ? 'pretty' : 'json',
    destination: stdout,
    colors: stdout.colors,
  })
  const systemd = createNotifier(io.env)
  const logWarnings = (): void => {
    for (const { setting, said } of warnings)
      log('setting-doubtful', { setting, detail: en.line(...said(en.settings)) })
  }
  if (!loaded.ok) {
    // A misspelt name is often why another one is not set.
    logWarnings()
    await systemd.failed(loaded.errors.map((error) => formatError(error, words)).join(' | '))
    for (const error of loaded.errors) {
      const { setting, said } = error
      const detail = en.sentences(...said(en.settings), readerOf(io, error, en))
      log('setting-wrong', { setting, detail })
    }
    await stdout.flush()
    return EXIT.usage
  }
  const { config } = loaded
  const fatal = (error: unknown): Promise<void> => {
    log('unexpected', { error }, 'fatal')
    return stdout.flush()
  }
  io.onFatal(fatal)
  log('starting', { version: BUILD_VERSION })
  logWarnings()
  if (isLenientParser(io.llhttp)) log('parser-doubtful')
  try {
    const fd = passedSocket(io)
    const app = await startApp({
      config: fd === undefined ? config : { ...config, listen: { ...config.listen, fd } },
      version: BUILD_VERSION,
      pid: io.pid,
      log,
      logLinesDropped: stdout.dropped,
      settings: loaded.settings,
    })
    io.onHangUp(() => app.renew())
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
    const { setting, said } = error
    const line = words.check.labelled(setting, said(words))
    if (pretty) io.stderr.write(`${line}\n`)
    else log('cannot-listen', { setting, detail: said(en) })
    await systemd.failed(line)
    return error.lasting ? EXIT.usage : EXIT.failed
  } finally {
    await stdout.flush()
  }
}

/** CVE-2025-23167 is fixed in llhttp 9. */
function isLenientParser(llhttp: string): boolean {
  return Number.parseInt(llhttp, 10) < 9
}
