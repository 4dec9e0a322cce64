import { cp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { parseManifests, type Manifest } from './manifests.ts'
import { ROOT, run, succeed, type Outcome } from './run.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

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
  render(ci: string, more?: object): Promise<readonly Manifest[]>
  /** The same with these values alone, whatever helm says to them. */
  attempt(values: object, ...more: readonly string[]): Promise<Outcome>
  remove(): Promise<void>
}

export interface DependentOptions {
  /** The name of the dependency in the parent; default: its own. */
  readonly alias?: string
  /** What the parent passes to the templates; default: as the documentation says. */
  readonly scope?: string
  /** Give the dependency a condition, and put each include between an `if`; default false. */
  readonly condition?: boolean
}

/** Builds a copy of the chart `test/deploy/cti-obs`, the proxy's chart packed into it as people do. */
export const createDependent = async (
  helm: string,
  { alias, scope, condition = false }: DependentOptions = {},
): Promise<Dependent> => {
  const home = temporaryDirectory()
  const parent = join(home, 'cti-obs')
  await cp(join(ROOT, 'test/deploy/cti-obs'), parent, { recursive: true })
  await cp(CHART, join(home, 'isales-auth-proxy'), { recursive: true })
  const edit = async (file: string, change: (text: string) => string) => {
    const path = join(parent, file)
    await writeFile(path, change(await readFile(path, 'utf8')))
  }
  const name = alias ?? 'isales-auth-proxy'
  if (alias !== undefined) {
    const passed = scope ?? `.Subcharts.${alias}`
    await edit('Chart.yaml', (text) => `${text}    alias: ${alias}\n`)
    await edit('templates/deployment.yaml', (text) =>
      text.replaceAll(/(include "isales-auth-proxy\.(?!podLabels)\w+") \./g, `$1 ${passed}`),
    )
  }
  if (condition) {
    await edit('Chart.yaml', (text) => `${text}    condition: ${name}.enabled\n`)
    await edit('templates/deployment.yaml', (text) =>
      text.replaceAll(
        /\{\{- (include .*) \}\}/g,
        `{{- if (index .Values "${name}").enabled }}{{ $1 }}{{ end }}`,
      ),
    )
  }
  await succeed(helm, ['dependency', 'build', parent])
  let files = 0
  const attempt = async (values: object, ...more: readonly string[]): Promise<Outcome> => {
    const file = join(home, `${(files += 1)}.yaml`)
    await writeFile(file, stringify({ [name]: values }))
    return run(helm, ['template', 'obs', parent, '--values', file, ...more])
  }
  return {
    attempt,
    async render(ci, more = {}) {
      const values = parse(await readFile(ciFile(ci), 'utf8')) as object
      const { code, stdout, stderr } = await attempt({ ...values, ...more })
      if (code !== 0) throw new Error(stderr)
      return parseManifests(stdout)
    },
    remove: () => rm(home, { recursive: true }),
  }
}
