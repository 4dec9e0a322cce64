import { expect, test } from 'vitest'
import { problemsIn, type Prose } from '../../scripts/prose-rules.ts'

test.each<readonly [Prose['kind'], string, readonly string[]]>([
  ['page', 'Somebody renews it, too.', ['Somebody: ', ', too: also']],
  ['page', 'It renews each 4 h and each second.', ['each 4: every', 'each second: every']],
  ['page', 'The behaviour of that of iSales', ['that of: ', 'behaviour: -or']],
  ['comment', 'What comes first.', ['What comes: ', 'What: a comment opens']],
  ['user page', `${'word '.repeat(31)}end.`, ['word word']],
  ['page', `${'word '.repeat(31)}end.`, []],
  ['user page', `${'word '.repeat(29)}end. ${'Word '.repeat(29)}end.`, []],
  ['page', 'It replaces each token of the three. There is no token. What does it do?', []],
])('the check of prose finds in a %s “%s”: %j', (kind, text, starts) => {
  const found = problemsIn({ file: 'a', line: 1, kind, text })
  expect(found).toHaveLength(starts.length)
  for (const start of starts) expect(found.join()).toContain(`a:1: ${start}`)
})
