import { readdirSync, readFileSync } from 'node:fs'
import ts from 'typescript'
import { expect, it } from 'vitest'

// A sentence for people stands in src/words/ and nowhere else.

const root = new URL('../../src/', import.meta.url).pathname
const FILES = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (file) => /\.tsx?$/.test(file) && !file.startsWith('words/'),
)

/** No sentences, although they look so. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'admin/status-style.ts': 'a style sheet',
  'config/reload.ts': '`file of uid 0`, a value of the log field `by`',
}

/** Two words or more that begin with a capital or end with a full stop, three in a row, or a word in Chinese. */
const SENTENCE =
  /^[A-Z][A-Za-z-]* \S|\S [\w.,-]+\.$|[A-Za-z]{2,},? [a-z]+,? [a-z]{2,}|[\u4E00-\u9FFF]/

/** What is thrown or ends a request is for who debugs: neither log nor page has the message of an error. */
const ofAnError = ({ parent }: ts.Node): boolean =>
  (ts.isNewExpression(parent) && parent.expression.getText().endsWith('Error')) ||
  (ts.isCallExpression(parent) && parent.expression.getText().endsWith('.abort'))

/** The text of each literal, and each part of a template with values in it. */
function textsOf(file: string, code: string): readonly string[] {
  const texts: string[] = []
  const visit = (node: ts.Node): void => {
    const isText =
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddleOrTemplateTail(node) ||
      ts.isJsxText(node)
    if (isText && !ofAnError(node)) texts.push(node.text.trim())
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, code, ts.ScriptTarget.ESNext, true))
  return texts
}

const sentencesIn = (file: string, code: string): readonly string[] =>
  textsOf(file, code).filter((text) => SENTENCE.test(text))

it('no other module holds a sentence', () => {
  const found = FILES.map((file) => [
    file,
    sentencesIn(file, readFileSync(`${root}${file}`, 'utf8')),
  ])
  const holding = Object.fromEntries(found.filter(([, sentences = []]) => sentences.length > 0))
  // An exception that is none any more is found, too.
  expect(holding).toEqual(
    Object.fromEntries(Object.keys(EXCEPTIONS).map((file) => [file, expect.anything()])),
  )
})

it.each([
  "const a = 'Check this setting'",
  'const a = `names ${b}, which does not know`',
  "const a = { b: 'is not set' }",
  "log('x', { detail: 'it failed.' })",
  "const a = '没有设置'",
  'const a = <p>Not found</p>',
])('a sentence is found in %s', (code) => {
  expect(sentencesIn('a.tsx', code)).toHaveLength(1)
})

it.each([
  "import { a } from './b.ts'",
  "const a = 'X-Request-Id'",
  "throw new TypeError('It is no b')",
])('none is found in %s', (code) => {
  expect(sentencesIn('a.tsx', code)).toEqual([])
})
