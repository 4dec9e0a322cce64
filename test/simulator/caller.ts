import { onTestFinished } from 'vitest'
import { createSimulator, type SimulatorOptions } from '../../simulator/index.ts'

export async function simulate(options: SimulatorOptions = {}) {
  const sim = await createSimulator(options)
  onTestFinished(() => sim.close())
  return { sim }
}
