import { expect, test } from 'vitest'
import { STATES } from '../../src/admin/diagnosis.ts'
import { adminSources, openShown } from '../admin/token.ts'
import { read } from './pages.ts'

const page = read('docs/metrics.md')
const scrape = await openShown(adminSources()).metrics.render()
const names = Array.from(scrape.matchAll(/^# HELP (isales_proxy_\S+) /gm), ([, name = '']) => name)

/** Returns labels with their values; a label whose value depends on the instance has none. */
function labelsOf(metric: string): string {
  const labels = new Map<string, Set<string>>()
  const series = scrape.matchAll(new RegExp(`^${metric}(?:_count)?\\{(.*)\\}`, 'gm'))
  for (const [, text = ''] of series)
    for (const [, label = '', value = ''] of text.matchAll(/(\w+)="([^"]*)"/g))
      labels.set(label, (labels.get(label) ?? new Set()).add(value))
  return Array.from(labels, ([label, values]) =>
    ['version', 'instance_name'].includes(label)
      ? `\`${label}\``
      : `\`${label}\`: ${[...values].join(', ')}`,
  ).join('; ')
}

test.each(names)('docs/metrics.md has %s with its type, labels and help', (name) => {
  const type = new RegExp(`^# TYPE ${name} (.*)$`, 'm').exec(scrape)?.[1]
  const help = new RegExp(`^# HELP ${name} (.*)$`, 'm').exec(scrape)?.[1]
  expect(page).toContain(`| \`${name}\` | ${type} | ${labelsOf(name)} | ${help} | `)
})

test('docs/metrics.md has no other metric, is sorted, and explains every row', () => {
  const rows = Array.from(page.matchAll(/^\| `(isales_proxy_\w+)` \|.*\| (.+) \|$/gm))
  expect(rows.map(([, name]) => name)).toEqual(names.toSorted((a, b) => a.localeCompare(b)))
})

test('docs/metrics.md has every state', () => {
  const [, states = ''] = page.split('## States\n')
  const rows = Array.from(states.matchAll(/^\| `([\w-]+)` \| .+ \|$/gm), ([, name]) => name)
  expect(rows).toEqual(Object.keys(STATES))
})
