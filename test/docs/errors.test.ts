import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { DOCUMENTATION, PROBLEM_CODES, PROBLEMS, REFUSALS } from '../../src/http/problem.ts'

const root = new URL('../../', import.meta.url).pathname
const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8')
const page = read('docs/errors.md')

describe.each(PROBLEM_CODES)('docs/errors.md explains %s', (code) => {
  const section = new RegExp(`^## ${code}$([^]*?)(?=^## |$(?![^]))`, 'm').exec(page)?.[1] ?? ''

  test('under the heading that the `type` of the response links to', () => {
    expect(section).toContain(PROBLEMS[code].title)
  })

  test('with who caused it, whether it was sent, and what to do', () => {
    for (const heading of ['Caused by.', 'Sent to iSales?', 'Do.'])
      expect(section).toMatch(
        new RegExp(`^\\*\\*${heading.replaceAll(/[?.]/g, '.')}\\*\\* \\S`, 'm'),
      )
  })

  test('with each reason that has it', () => {
    const reasons = Object.entries(REFUSALS).filter(([, refusal]) => refusal.code === code)
    for (const [reason, { detail }] of reasons) {
      expect(section).toContain(`- \`${reason}\`: ${detail}`)
    }
  })
})

test('the run-book and every page that it links to exist', () => {
  const links = [...page.matchAll(/\]\((\w+\.md)?#([\w-]+)\)/g)]
  expect(links.length).toBeGreaterThan(PROBLEM_CODES.length)
  for (const [, file = 'errors.md', anchor = ''] of links) {
    const headings = [...read(`docs/${file}`).matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
      text.toLowerCase(),
    )
    expect(headings).toContain(anchor)
  }
})

test('the program, the chart and the image name one project', () => {
  const home = DOCUMENTATION.replace(/\/blob\/main\/docs$/, '')
  expect(read('helm/isales-auth-proxy/Chart.yaml')).toContain(`home: ${home}\n`)
  expect(read('Dockerfile')).toContain(`SOURCE=${home}\n`)
})
