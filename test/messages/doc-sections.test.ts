import { describe, expect, it } from 'vitest'
import { ALL_CODES, type Code } from '../../src/codes.ts'
import { LANGUAGES, missingSections, loadPages, findSection } from '../../src/messages/index.ts'
import { sectionsIn } from '../../src/messages/doc-sections.ts'
import { runHere } from '../cli/stand.ts'
import { ALERTS } from '../docs/pages.ts'

/** iSales and the servers on the way to it reject; the proxy refuses. */
const WRONG_VERB =
  /(?<!egress )\bproxy (?:\w+ )?reject(?:s|ed)\b|\biSales (?:\w+ )?refus(?:es|ed)\b/i
const HAN = /\p{Script=Han}/u

describe.each(LANGUAGES)('the sections of docs/ in %s', (language) => {
  const codes = [...sectionsIn(loadPages(language)).keys()]

  it('exist once for every code and alert, and no other heading is a code', () => {
    const known = new Set<string>([...ALL_CODES, ...ALERTS.map(({ alert }) => alert)])
    const headings = [...loadPages(language).values()].flatMap((text) =>
      Array.from(text.matchAll(/^#+ (.+)$/gm), ([, heading = '']) => heading),
    )
    const written = headings.filter((heading) => known.has(heading))
    expect(written.toSorted()).toEqual([...known].toSorted())
    expect(codes.toSorted()).toEqual([...known].toSorted())
  })

  it.each(ALL_CODES)(
    '%s has a title, sentences, and a remedy in both languages or in none',
    (code) => {
      const { title, meaning, remedy, body } = findSection(language, code)
      expect(title).not.toBe(code)
      expect(title).not.toMatch(/[.。]$/)
      // Lines of a paragraph are joined, without a space between Chinese characters.
      expect(title + meaning + remedy).not.toMatch(/\n|\p{Script=Han} \p{Script=Han}/u)
      expect(title + meaning + remedy + body).not.toMatch(WRONG_VERB)
      expect(meaning).toMatch(/^$|[.。]$/)
      expect(remedy === '').toBe(findSection('en', code).remedy === '')
      expect(remedy).toMatch(/^$|[.。]$/)
      // Page, terminal and log show them without Markdown, also to readers without Prometheus.
      expect(title + meaning + remedy).not.toMatch(/`|\*\*|\]\(|isales_proxy_/)
      for (const text of [title, meaning, remedy].filter((each) => each !== ''))
        expect(HAN.test(text)).toBe(language === 'zh')
    },
  )
})

it.each([
  [
    'name-unknown connection-refused no-route connect-timeout connection-closed',
    /only if the host has moved/,
  ],
  [
    'file-unreadable empty-file not-utf8 not-pem encrypted-key other-key',
    /do not restart the proxy/,
  ],
  ['no-tls tls-expected own-certificate egress-login', /what changed/],
  ['login-path-unknown login-page not-isales', /what changed/],
  ['call-page call-failed call-declined call-result', /check --live/],
])(
  '%s have one remedy if the same settings worked before, which help prints',
  async (codes, said) => {
    for (const code of codes.split(' ') as Code[]) {
      for (const language of LANGUAGES) {
        const { remedy, restore } = findSection(language, code)
        expect(restore).not.toBe('')
        expect(remedy).not.toBe('')
        expect(restore).not.toBe(remedy)
      }
      expect(findSection('en', code).restore).toMatch(said)
      const { stdout } = await runHere(['help', code])
      expect(stdout.replaceAll(/\s+/g, ' ')).toContain(findSection('en', code).restore)
    }
  },
)

it("a section's own text comes before its chapter's", () => {
  const { restore } = findSection('en', 'untrusted')
  expect(restore).toContain('an interceptor whose CA you trust reads')
  expect(findSection('en', 'password').remedy).toContain('tries a changed file within seconds')
})

it('no section is missing, and a missing one would be named', () => {
  expect(missingSections()).toEqual([])
  expect(missingSections(() => new Map())).toContain('zh: connection-lost')
})

it('a code without a section is its own title', () => {
  const code = 'not-a-code' as Code
  expect(findSection('zh', code)).toMatchObject({ title: code, meaning: '', remedy: '' })
})
