// `npm run simulator`: a simulated iSales as a program of its own.
import { createSimulator } from './index.ts'

const simulator = await createSimulator({ port: 9400 })
process.stdout.write(`iSales ${simulator.origin}, control ${simulator.controlUrl}\n`)
