import { readFileSync } from 'node:fs'

/** The root of the checkout, with a slash at its end. */
export const root = new URL('../../', import.meta.url).pathname

export const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8')

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
