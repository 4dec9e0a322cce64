import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { parseManifests, type Manifest } from './manifests.ts'
import { ROOT, succeed } from './run.ts'

export const CHART = join(ROOT, 'helm/isales-auth-proxy')

/** The names of the values files in `ci/`, without `-values.yaml`. */
export const ciNames = async (): Promise<readonly string[]> =>
  (await readdir(join(CHART, 'ci'))).map((file) => file.replace(/-values\.yaml$/, '')).sort()

export const ciFile = (name: string): string => join(CHART, 'ci', `${name}-values.yaml`)

/** What `helm template` makes of the chart by itself. */
export const render = async (
  helm: string,
  values: string,
  ...more: readonly string[]
): Promise<readonly Manifest[]> =>
  parseManifests(
    await succeed(helm, [
      'template',
      'obs',
      CHART,
      '--namespace=telephony',
      `--values=${values}`,
      ...more,
    ]),
  )

export interface Dependent {
  /** What `helm template` makes of a chart that has this one as a dependency, with the values of a file in `ci/`. */
  render(ci: string): Promise<readonly Manifest[]>
  remove(): Promise<void>
}

/**
 * Builds a copy of the chart `test/deploy/cti-obs`, the proxy's chart packed into it as people do; with an alias, under
 * that name.
 */
export const createDependent = async (helm: string, alias?: string): Promise<Dependent> => {
  const home = await mkdtemp(join(tmpdir(), 'dependent-'))
  const parent = join(home, 'cti-obs')
  await cp(join(ROOT, 'test/deploy/cti-obs'), parent, { recursive: true })
  await cp(CHART, join(home, 'isales-auth-proxy'), { recursive: true })
  const edit = async (file: string, change: (text: string) => string) => {
    const path = join(parent, file)
    await writeFile(path, change(await readFile(path, 'utf8')))
  }
  if (alias !== undefined) {
    await edit('Chart.yaml', (text) => `${text}    alias: ${alias}\n`)
    await edit('templates/deployment.yaml', (text) =>
      text.replaceAll('" . |', `" .Subcharts.${alias} |`),
    )
  }
  await succeed(helm, ['dependency', 'build', parent])
  return {
    async render(ci) {
      const values: unknown = parse(await readFile(ciFile(ci), 'utf8'))
      const file = join(home, `${ci}.yaml`)
      await writeFile(file, stringify({ [alias ?? 'isales-auth-proxy']: values }))
      return parseManifests(await succeed(helm, ['template', 'obs', parent, '--values', file]))
    },
    remove: () => rm(home, { recursive: true }),
  }
}
