import { readdirSync, readFileSync } from 'node:fs'
import ts from 'typescript'
import { expect, it } from 'vitest'

// A sentence for people stands in src/words/ and nowhere else.

const root = new URL('../../src/', import.meta.url).pathname
const FILES = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (file) => /\.tsx?$/.test(file) && !file.startsWith('words/'),
)

/** Two words or more that begin with a capital or end with a full stop, or three and more in a row. */
const SENTENCE =
  /^[A-Z][A-Za-z-]* \S|\S [\w.,-]+\.$|[A-Za-z]{2,},? [a-z]+,? [a-z]{2,}|[\u4e00-\u9fff]/

/** The text of each literal, and each part of a template with values in it. */
function textsOf(file: string): readonly string[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(`${root}${file}`, 'utf8'),
    ts.ScriptTarget.ESNext,
  )
  const texts: string[] = []
  const visit = (node: ts.Node): void => {
    if (
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddleOrTemplateTail(node) ||
      ts.isJsxText(node)
    )
      texts.push(node.text.trim())
    ts.forEachChild(node, visit)
  }
  visit(source)
  return texts
}

it('no other module holds a sentence', () => {
  const found = FILES.flatMap((file) =>
    textsOf(file)
      .filter((text) => SENTENCE.test(text))
      .map((text) => `${file}: ${text}`),
  )
  expect(found).toEqual([])
})
