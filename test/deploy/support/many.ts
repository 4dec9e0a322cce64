import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '../../support/temporary.ts'
import { CHART, NAME } from './chart.ts'
import { run } from './run.ts'
import { newest } from './tools.ts'

/** Result of helm for one of many values. Exactly one of the three is not empty. */
export interface Made {
  readonly yaml: string
  /** The message of the schema or of the templates. */
  readonly refusal: string
  /** An error of Go: a template failed other than by `fail`. */
  readonly trace: string
}

/** A copy of the chart that prints problems instead of its objects, because `fail` would end the run for all values. */
const REPORTING = temporaryDirectory()
cpSync(CHART, REPORTING, { recursive: true })
const PROBLEMS = 'include "isales-auth-proxy.problems" . | trim'
for (const file of readdirSync(join(REPORTING, 'templates'))) {
  const path = join(REPORTING, 'templates', file)
  const text = readFileSync(path, 'utf8')
  if (file === 'NOTES.txt') rmSync(path)
  else if (file === 'validate.yaml') writeFileSync(path, `problems: {{ ${PROBLEMS} | toJson }}\n`)
  else if (file.endsWith('.yaml'))
    writeFileSync(path, `{{- if not (${PROBLEMS}) }}\n${text}\n{{- end }}\n`)
}

const AT_A_TIME = 100

/** Returns helm's results for these values in order. Few runs are enough, because each of the values is for a dependency with an alias. */
export async function renderMany(
  all: readonly object[],
  { helm } = newest,
): Promise<readonly Made[]> {
  const made: Made[] = []
  for (let at = 0; at < all.length; at += AT_A_TIME)
    made.push(...(await renderSome(all.slice(at, at + AT_A_TIME), helm)))
  return made
}

async function renderSome(all: readonly object[], helm: string): Promise<readonly Made[]> {
  const chart = temporaryDirectory()
  mkdirSync(join(chart, 'charts'))
  cpSync(REPORTING, join(chart, 'charts', NAME), { recursive: true })
  const made = all.map(() => ({ yaml: '', refusal: '', trace: '' }))
  const left = new Map(all.map((values, index) => [`a${index}`, { index, values }]))
  const settle = (alias: string, what: 'yaml' | 'refusal' | 'trace', text: string) => {
    const one = made[left.get(alias)?.index ?? -1]
    // The text of a chart that is rendered alone.
    const own = text
      .replaceAll(new RegExp(`(?<!-)\\b${alias}\\.`, 'g'), '')
      .replaceAll(new RegExp(`\\b${alias}\\b`, 'g'), NAME)
    if (one !== undefined) one[what] += own
  }
  while (left.size > 0) {
    const dependencies = [...left.keys()].map((alias) => ({ name: NAME, version: '*', alias }))
    const about = { apiVersion: 'v2', name: 'many', version: '0.1.0', dependencies }
    writeFileSync(join(chart, 'Chart.yaml'), JSON.stringify(about))
    const args = ['template', 'obs', chart, '--namespace=telephony', '--kube-version=1.36.0']
    const values = Object.fromEntries([...left].map(([alias, one]) => [alias, one.values]))
    // In lines, because helm ignores a file of one line whose length is a multiple of 4096 bytes.
    const input = JSON.stringify(values, null, 1)
    const { code, stdout, stderr } = await run(helm, [...args, '--values=-'], { input })
    if (code === 0) {
      for (const [, alias = '', file, text = ''] of stdout.matchAll(
        /^---\n# Source: many\/charts\/(\w+)\/templates\/(\S+)\n([^]*?)(?=^---\n# Source: |$(?![^]))/gm,
      ))
        if (file !== 'validate.yaml') settle(alias, 'yaml', `---\n${text}`)
        else settle(alias, 'refusal', JSON.parse(text.replace('problems: ', '')) as string)
      return made
    }
    // The schema reports every refused dependency, a template the first one.
    const refused = [...stderr.matchAll(/^(a\d+):\n((?: *- .*\n?)+)/gm)]
    for (const [, alias = '', text = ''] of refused) settle(alias, 'refusal', text)
    const [, failed = ''] = /many\/charts\/(a\d+)\//.exec(stderr) ?? []
    if (refused.length === 0) settle(failed, 'trace', stderr)
    const settled = refused.length > 0 ? refused.map(([, alias = '']) => alias) : [failed]
    if (!settled.every((alias) => left.delete(alias))) throw new Error(stderr)
  }
  return made
}
