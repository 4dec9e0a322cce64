import { describe, expect, test } from 'vitest'
import { problemsIn, problemsOfSection, type Prose } from '../../scripts/prose-rules.ts'

const problemsOf = (kind: Prose['kind'], text: string) =>
  problemsIn({ file: 'a', line: 1, kind, text }).map((problem) => problem.slice('a:1: '.length))

describe('the check of prose finds', () => {
  test.each([
    ['page', 'Somebody renews it, too.', ['Somebody: ', ', too: also']],
    ['page', 'It renews each 4 h and each second.', ['each 4: every', 'each second: every']],
    ['page', 'The behaviour of that of iSales', ['that of: ', 'behaviour: -or']],
    ['comment', 'What comes first.', ['What comes: ', 'What: a comment opens']],
    ['user page', `${'word '.repeat(31)}end.`, ['word word']],
  ] as const)('in a %s “%s”', (kind, text, starts) => {
    const found = problemsOf(kind, text)
    expect(found).toHaveLength(starts.length)
    for (const start of starts) expect(found.some((each) => each.startsWith(start))).toBe(true)
  })

  test('a long title, a long meaning, and a missing remedy', () => {
    const [title, meaning] = ['a '.repeat(9), 'A b. C d. E f.']
    const section = { at: 'errors.md#a', title, meaning, remedy: '' }
    expect(problemsOfSection(section, false)).toHaveLength(3)
    expect(problemsOfSection(section, true)).toHaveLength(2)
  })
})

test.each([
  ['page', 'It replaces each token of the three. There is no token.'],
  ['page', 'What does it do?'],
  ['string', 'It is a string'],
  ['page', `${'word '.repeat(31)}end.`],
  ['user page', `${'word '.repeat(29)}end. ${'Word '.repeat(29)}end.`],
] as const)('the check of prose accepts in a %s “%s”', (kind, text) => {
  expect(problemsOf(kind, text)).toEqual([])
})
