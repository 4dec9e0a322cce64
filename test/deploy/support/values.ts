import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { CHART } from './chart.ts'
import { parseManifests, type Manifest } from './manifests.ts'
import { run, type Outcome } from './run.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

/** The least that a stand-alone proxy needs to be told. */
export const BASE = {
  settings: { ISALES_URL: 'https://isales.example' },
  secret: { name: 's' },
  tls: { secretName: 't' },
}

export interface Templates {
  /** What `helm template` says to these values, on top of `BASE`; the rest are further arguments. */
  attempt(values: object, ...more: readonly string[]): Promise<Outcome>
  /** The manifests that it makes. @throws with what helm said when it makes none. */
  make(values: object, ...more: readonly string[]): Promise<readonly Manifest[]>
  /** The same for a release of another name. */
  makeAs(release: string, values: object): Promise<readonly Manifest[]>
  /** What helm says to values that it refuses. @throws when it takes them. */
  refusal(values: object, ...more: readonly string[]): Promise<string>
  remove(): Promise<void>
}

export const createTemplates = async (helm: string): Promise<Templates> => {
  const home = temporaryDirectory()
  const base = join(home, 'base.yaml')
  await writeFile(base, stringify(BASE))
  let files = 0
  const attemptAs = async (release: string, values: object, more: readonly string[] = []) => {
    const file = join(home, `${(files += 1)}.yaml`)
    await writeFile(file, stringify(values))
    const args = ['template', release, CHART, '--namespace=telephony', '--values', base]
    return run(helm, [...args, '--values', file, ...more])
  }
  const makeAs = async (release: string, values: object, more: readonly string[] = []) => {
    const { code, stdout, stderr } = await attemptAs(release, values, more)
    if (code !== 0 || stderr !== '') throw new Error(stderr)
    return parseManifests(stdout)
  }
  return {
    attempt: (values, ...more) => attemptAs('obs', values, more),
    make: (values, ...more) => makeAs('obs', values, more),
    makeAs,
    async refusal(values, ...more) {
      const { code, stdout, stderr } = await attemptAs('obs', values, more)
      if (code === 0) throw new Error(`not refused\n${stdout}`)
      return stderr
    },
    remove: () => rm(home, { recursive: true }),
  }
}
