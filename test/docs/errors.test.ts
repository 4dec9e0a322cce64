import { expect, test } from 'vitest'
import { en } from '../../src/words/index.ts'
import { DOCUMENTATION, PROBLEM_CODES, REFUSAL_REASONS, REFUSALS } from '../../src/http/problem.ts'
import { refusals } from '../../src/words/index.ts'
import { read } from './pages.ts'

const page = read('docs/errors.md')

test.each(PROBLEM_CODES)(
  'docs/errors.md has the section that the `type` of %s links to',
  (code) => {
    const section = new RegExp(`^## ${code}$([^]*?)(?=^## |$(?![^]))`, 'm').exec(page)?.[1] ?? ''
    expect(section).toContain(en.problems[code])
    expect(section).toContain('**Do.** ')
    const reasons = REFUSAL_REASONS.filter((reason) => REFUSALS[reason] === code)
    for (const reason of reasons) expect(section).toContain(`\`${reason}\`: ${refusals[reason]}.`)
  },
)

test('the program, the chart and the image name one project', () => {
  const home = DOCUMENTATION.replace(/\/blob\/main\/docs$/, '')
  expect(read('helm/isales-auth-proxy/Chart.yaml')).toContain(`home: ${home}\n`)
  expect(read('Dockerfile')).toContain(`SOURCE=${home}\n`)
})
