import { readdirSync, readFileSync } from 'node:fs'

/** The root of the checkout, with a slash at its end. */
export const root = new URL('../../', import.meta.url).pathname

export const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8')

/** The paths of all pages. */
export const PAGES = [
  ...readdirSync(root),
  ...readdirSync(`${root}docs`, { recursive: true, encoding: 'utf8' }).map(
    (name) => `docs/${name}`,
  ),
  'helm/isales-auth-proxy/README.md',
].filter((name) => name.endsWith('.md'))

/** Returns the shell blocks of a page. */
export const blocksOf = (page: string): readonly string[] =>
  Array.from(read(page).matchAll(/^ *```sh\n([^]*?)^ *```/gm), ([, block = '']) => block)

/** Returns the targets of links and pictures of a page. */
export const linksOf = (text: string): readonly string[] =>
  Array.from(text.matchAll(/(?:\]\(|src=")([^)"\s]+)[)"]/g), ([, to = '']) => to)

/** Returns the anchors that GitHub makes for the headings of a page, in order. */
export const anchorsOf = (text: string): readonly string[] =>
  Array.from(text.matchAll(/^#+ (.+)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
