// `npm run demo -- [--seconds N] [--tls]`
import { run } from './demo.ts'

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopping.abort(signal))

process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  isTTY: process.stdout.isTTY,
  signal: stopping.signal,
})
process.exit()
