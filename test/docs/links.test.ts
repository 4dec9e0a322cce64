import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { anchorsOf, linksOf, PAGES, read, root } from './pages.ts'

const { files } = JSON.parse(read('package.json')) as { readonly files: readonly string[] }
/** Whether a file is in the archive of a release. */
const isPacked = (file: string): boolean =>
  /^(?:README|LICENSE)/.test(file) || files.some((name) => file.startsWith(name))

const PROJECT = 'https://github.com/isales-auth-proxy/isales-auth-proxy/blob/main/'

test.each(PAGES)('every link of %s within the repository has a target', (page) => {
  const broken = linksOf(read(page)).filter((link) => {
    const isWhole = link.startsWith(PROJECT)
    if (/^[a-z]+:/.test(link) && !isWhole) return false
    const [path = '', anchor] = link.replace(PROJECT, '').split('#')
    // A user of the chart's package has no checkout.
    if (page.startsWith('helm/') && path !== '' && !isWhole) return true
    const target = path === '' ? page : normalize(join(isWhole ? '' : dirname(page), path))
    if (!existsSync(join(root, target)) || (isPacked(page) && !isWhole && !isPacked(target)))
      return true
    if (anchor === undefined || !target.endsWith('.md')) return false
    return !anchorsOf(read(target)).includes(anchor)
  })
  expect(broken).toEqual([])
})

/** Pages that also name files of earlier versions. */
const HISTORY = /^(?:CHANGELOG\.md|docs\/dev\/decisions\.md|docs\/dev\/reliability\.md)$/

test.each(PAGES.filter((page) => !HISTORY.test(page)))(
  'every file and directory that %s names in backquotes exists',
  (page) => {
    const named = Array.from(
      read(page).matchAll(/`((?:src|test|docs|config|scripts|helm)\/[^`\s]*(?:\.[a-z]+|\/))`/g),
      ([, name = '']) => name,
    )
    // Of a name with an asterisk, the directory.
    const files = named.map((name) => join(root, name.replace(/[^/]*\*.*/, '')))
    expect(files.filter((file) => !existsSync(file))).toEqual([])
  },
)
