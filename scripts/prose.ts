// Holds the English texts to the rules of prose-rules.ts: pages, comments, and the sentences in the program.
import { readdirSync, readFileSync } from 'node:fs'
import { Lexer, type Token } from 'marked'
import { ALL_CODES, type Code } from '../src/codes.ts'
import { findSection } from '../src/messages/doc-sections.ts'
import { problemsIn, problemsOfSection, type Prose } from './prose-rules.ts'

const root = new URL('..', import.meta.url)

// oxfmt-ignore
const FOLDERS = ['.ci', '.github', 'bench', 'config', 'demo', 'docs', 'helm', 'scripts', 'simulator', 'src', 'test']
const TOP = readdirSync(root).filter((file) => /\.(?:md|ts|cjs)$|^Dockerfile$/.test(file))

/** Commands, and states in which nothing is wrong. */
// oxfmt-ignore
const WITHOUT_ACTION: ReadonlySet<Code> = new Set([
  'serve', 'check', 'status', 'renew', 'exit-codes', 'check-sound', 'check-works',
  'healthy', 'logging-in', 'draining',
])

const problems = [
  ...[...TOP, ...FOLDERS.flatMap(filesIn)].flatMap(proseOf).flatMap(problemsIn),
  ...ALL_CODES.flatMap((code) =>
    problemsOfSection(findSection('en', code), WITHOUT_ACTION.has(code)),
  ),
]
for (const problem of problems) process.stdout.write(`${problem}\n`)
if (problems.length > 0) process.exitCode = 1

function filesIn(folder: string): readonly string[] {
  return readdirSync(new URL(folder, root), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(root.pathname.length))
}

function proseOf(file: string): readonly Prose[] {
  if (file.includes('.zh-CN.')) return []
  const text = readFileSync(new URL(file, root), 'utf8')
  if (file.endsWith('.md')) return inMarkdown(file, text)
  if (/\.(?:tsx?|mjs|cjs)$/.test(file)) return inCode(file, text)
  if (!/\.(?:ya?ml|tpl|toml|sh|service|socket|path|env)$|Dockerfile|run$/.test(file)) return []
  return matches(/^((?:[ \t]*#.*\n)+)/gm, /^[ \t]*#+/gm, { file, text, kind: 'comment' })
}

function inCode(file: string, text: string): readonly Prose[] {
  const code = { file, text, kind: 'comment' } as const
  const strings = /'([A-Za-z][^'\n]* [^'\n]*)'|"([A-Za-z][^"\n]* [^"\n]*)"/g
  return [
    ...matches(/^[ \t]*\/\*\*?([^]*?)\*\//gm, /^[ \t]*\*/gm, code),
    ...matches(/^((?:[ \t]*\/\/.*\n)+)/gm, /^[ \t]*\/\//gm, code),
    ...matches(/\S[ \t]+\/\/ (.*)$/gm, /^/gm, code),
    ...(file.startsWith('src/') ? matches(strings, /^/g, { ...code, kind: 'string' }) : []),
  ]
}

/** Returns the groups that `pattern` finds, without the margin of their lines. */
function matches(
  pattern: RegExp,
  margin: RegExp,
  { file, text, kind }: Omit<Prose, 'line'>,
): readonly Prose[] {
  return Array.from(text.matchAll(pattern), ({ 1: first, 2: second, index }) => ({
    file,
    line: lineAt(text, index),
    kind,
    text: plain((first ?? second ?? '').replaceAll(margin, '')),
  }))
}

/** Pages below docs/dev/ are for developers; the others are for users. */
function inMarkdown(file: string, text: string): readonly Prose[] {
  const kind = /^(?:README|docs\/[\w-]+|helm\/.*)\.md$/.test(file) ? 'user page' : 'page'
  let at = 0
  return new Lexer().lex(text).flatMap((token) => {
    const line = lineAt(text, at)
    at += token.raw.length
    return blocksOf(token).map((block) => ({ file, line, kind, text: plain(block) }) as const)
  })
}

/** Returns paragraphs, headings, items of lists and fields of tables. */
function blocksOf(token: Token): readonly string[] {
  if (token.type === 'table') {
    const [head, ...rows] = [token.header, ...token.rows] as { readonly text: string }[][]
    // Labels are values and no sentences.
    const labels = head?.findIndex(({ text }) => text === 'labels')
    return rows.flatMap((row) => row.filter((_, i) => i !== labels).map(({ text }) => text))
  }
  const inner = (token.type === 'list' ? token.items : [token]) as readonly Token[]
  if (['list', 'blockquote'].includes(token.type)) {
    return inner.flatMap((item) => ('tokens' in item ? (item.tokens ?? []) : [])).flatMap(blocksOf)
  }
  // The heading of a section is its code.
  if (token.type === 'heading' && !token.text.includes(' ')) return []
  return ['paragraph', 'heading', 'text'].includes(token.type) && 'text' in token
    ? [token.text as string]
    : []
}

/** Returns one line without Markdown, link targets and words in backquotes. */
function plain(marked: string): string {
  return marked
    .replaceAll(/`[^`]*`/g, '`')
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/\*\*|<[^>]+>|\S+\/\S+/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}
