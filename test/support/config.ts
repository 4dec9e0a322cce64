import { loadConfig, type Environment } from '../../src/config/load.ts'
import type { Config } from '../../src/config/index.ts'

/** @throws an error with all problems of the settings. */
export function configOf(env: Environment): Config {
  const loaded = loadConfig(env)
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  return loaded.config
}
