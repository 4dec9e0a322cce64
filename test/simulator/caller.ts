import { onTestFinished } from 'vitest'
import { createSimulator, type SimulatorOptions } from '../../simulator/index.ts'

/** Starts a simulator until the test ends. */
export async function simulate(options: SimulatorOptions = {}) {
  const sim = await createSimulator(options)
  onTestFinished(() => sim.close())
  return { sim }
}
