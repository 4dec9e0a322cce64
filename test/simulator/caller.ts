import { onTestFinished } from 'vitest'
import { createSimulator, LOGIN_PATH, type SimulatorOptions } from '../../simulator/index.ts'
import { call } from '../support/call.ts'

/** Starts a simulator until the test ends, with requests of a client. */
export async function simulate(options: SimulatorOptions = {}) {
  const sim = await createSimulator(options)
  onTestFinished(() => sim.close())
  const post = (url: string, body: unknown) =>
    call(url, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })
  return {
    sim,
    login: (passwd: string = sim.switches.password) =>
      post(`${sim.origin}${LOGIN_PATH}`, { user: sim.switches.user, passwd }),
    control: (name: string, body: unknown) => post(`${sim.controlUrl}/${name}`, body),
  }
}
