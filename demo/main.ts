// `npm run demo -- [--seconds N] [--tls]`, or `npm run demo -- --replicas 3 [--seconds N]`
import { run } from './demo.ts'
import { runReplicas } from './replicas.ts'

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopping.abort(signal))

const args = process.argv.slice(2)
const shared = args.some((arg) => arg.startsWith('--replicas'))
process.exitCode = await (shared ? runReplicas : run)(args, {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  isTTY: process.stdout.isTTY,
  signal: stopping.signal,
})
process.exit()
