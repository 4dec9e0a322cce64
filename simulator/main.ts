// `npm run simulator -- --help`: a simulated iSales as a program of its own.
import { parseInvocation, runSimulator, usage } from './program.ts'

const print = (line: string) => process.stdout.write(`${line}\n`)

try {
  const invocation = parseInvocation(process.argv.slice(2))
  if (invocation.help) {
    process.stdout.write(usage())
  } else {
    const simulator = await runSimulator(invocation, print)
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void simulator.close())
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = error instanceof TypeError ? 2 : 1
}
