import { expect, test } from 'vitest'
import { PROBLEM_CODES, PROBLEMS, REFUSALS, STATES } from '../../src/codes.ts'
import { LOG_EVENTS, LOG_FIELDS } from '../../src/log/log-events.ts'
import { findSection } from '../../src/messages/index.ts'
import { DOCUMENTATION } from '../../src/problem.ts'
import { adminSources, openShown } from '../admin/token.ts'
import { read } from './pages.ts'

const scrape = await openShown(adminSources()).metrics.render()
const metrics = Array.from(
  scrape.matchAll(/^# HELP (isales_proxy_\S+) (.*)$/gm),
  ([, name = '', help]) => `\`${name}\` | ${labelsOf(name)} | ${help}`,
)

/** Returns labels with their values; a label whose value depends on the instance, or is a code, has none. */
function labelsOf(metric: string): string {
  const labels = new Map<string, Set<string>>()
  const series = scrape.matchAll(new RegExp(`^${metric}(?:_count)?\\{(.*)\\}`, 'gm'))
  for (const [, text = ''] of series)
    for (const [, label = '', value = ''] of text.matchAll(/(\w+)="([^"]*)"/g))
      labels.set(label, (labels.get(label) ?? new Set()).add(value))
  return Array.from(labels, ([label, values]) =>
    ['version', 'instance_name', 'cause'].includes(label)
      ? `\`${label}\``
      : `\`${label}\`: ${[...values].join(', ')}`,
  ).join('; ')
}

const events = Object.entries(LOG_EVENTS).map(
  ([name, { level, msg }]) => `\`${name}\` | ${level} | ${msg}. `,
)

test.each([
  ['docs/metrics.md', '# Metrics', metrics],
  ['docs/metrics.md', '## States', Object.keys(STATES).map((state) => `\`${state}\` | `)],
  ['docs/log.md', '## Events', events],
])('%s has exactly the rows of the program under %s', (page, heading, starts) => {
  const [, chapter = ''] = read(page).split(`${heading}\n`)
  const [table = ''] = chapter.split(/^## /m)
  const rows = Array.from(table.matchAll(/^\| (\[?`.*)$/gm), ([, row = '']) => row)
  expect(starts.filter((start) => !rows.some((row) => row.startsWith(start)))).toEqual([])
  expect(rows).toHaveLength(starts.length)
})

test.each([
  ['docs/log.md', '## Fields'],
  ['docs/log.zh-CN.md', '## 字段'],
])('%s lists exactly the fields of a log line under %s', (page, heading) => {
  const [, chapter = ''] = read(page).split(`${heading}\n`)
  const listed = Array.from(chapter.matchAll(/^- .*$/gm), ([item]) =>
    Array.from(item.replaceAll(/\(.*?\)|（.*?）/g, '').matchAll(/`(\w+)`/g), ([, name]) => name),
  ).flat()
  expect(new Set(listed)).toEqual(new Set(Object.keys(LOG_FIELDS)))
})

/** Statuses with their codes, and codes with their reasons; a reason that is a code has a section instead. */
const problems = PROBLEM_CODES.map((code) => [String(PROBLEMS[code].status), code] as const)
const refusals = Object.entries(REFUSALS)
  .filter(([, row]) => !('own' in row && row.own === true))
  .map(([reason, { problem }]) => [problem, reason] as const)

test.each([
  ['docs/errors.md', '## Responses of the proxy', problems],
  ['docs/errors.zh-CN.md', '## 代理的响应', problems],
  ['docs/errors.md', '## Refusals', refusals],
  ['docs/errors.zh-CN.md', '## 拒绝的原因', refusals],
])('%s lists exactly the responses and reasons of the program under %s', (page, heading, pairs) => {
  const [, chapter = ''] = read(page).split(`${heading}\n`)
  const [list = ''] = chapter.split(/^##/m)
  const listed = Array.from(list.matchAll(/^- `?([\w-]+)`?(?::|：)(.*)$/gm), ([, key, rest = '']) =>
    Array.from(rest.matchAll(/`([\w-]+)`/g), ([, word]) => `${key} ${word}`),
  ).flat()
  expect(listed.toSorted()).toEqual(pairs.map((pair) => pair.join(' ')).toSorted())
})

test('docs/errors.md names the problems after which iSales might have executed the request', () => {
  const [, named = ''] = /`unknown` if .*?\((.*?)\)/.exec(read('docs/errors.md')) ?? []
  const unknown = PROBLEM_CODES.filter((code) => PROBLEMS[code].sent === 'unknown')
  expect(named).toBe(unknown.map((code) => `\`${code}\``).join(', '))
})

test.each(PROBLEM_CODES)('docs/errors.md has the title of the problem %s', (code) => {
  expect(findSection('en', code).title).toBe(PROBLEMS[code].title)
})

test('program, chart and image name the same project', () => {
  const home = DOCUMENTATION.replace(/\/blob\/main\/docs$/, '')
  expect(read('helm/isales-auth-proxy/Chart.yaml')).toContain(`home: ${home}\n`)
  expect(read('Dockerfile')).toContain(`SOURCE=${home}\n`)
})
