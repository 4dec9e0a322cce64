import { describe, expect, test } from 'vitest'
import { PROBLEM_CODES, REFUSAL_REASONS, REFUSALS, PROBLEMS } from '../../src/codes.ts'
import { DOCUMENTATION } from '../../src/problem.ts'
import { findSection } from '../../src/messages/index.ts'
import { read } from './pages.ts'

describe.each(['docs/errors.md', 'docs/errors.zh-CN.md'])('%s', (file) => {
  const page = read(file)

  test.each(PROBLEM_CODES)('has the row and the section of %s', (code) => {
    const { status, sent } = PROBLEMS[code]
    expect(page).toContain(`| [\`${code}\`](#${code}) | ${status} | ${sent} | `)
    expect(page).toContain(`### ${code}\n`)
  })

  test.each(REFUSAL_REASONS)('has the row of the refusal %s', (reason) => {
    expect(page).toContain(
      `| \`${reason}\` | \`${REFUSALS[reason][0]}\` | ${REFUSALS[reason][1]} |\n`,
    )
  })
})

test.each(PROBLEM_CODES)(
  'a problem response and docs/errors.md have the same title for %s',
  (code) => {
    expect(findSection('en', code).title).toBe(PROBLEMS[code].title)
  },
)

test('program, chart and image name the same project', () => {
  const home = DOCUMENTATION.replace(/\/blob\/main\/docs$/, '')
  expect(read('helm/isales-auth-proxy/Chart.yaml')).toContain(`home: ${home}\n`)
  expect(read('Dockerfile')).toContain(`SOURCE=${home}\n`)
})
