import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'

/** The root of the checkout, with a slash at its end. */
export const root = new URL('../../', import.meta.url).pathname

export const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8')

export interface Alert {
  readonly alert: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}
type Groups = { readonly groups: readonly { readonly rules: readonly Alert[] }[] }

/** The chart's file of alerts, and the alerts in it. */
export const ALERTS_FILE = 'helm/isales-auth-proxy/files/alerts.yaml'
export const ALERTS = (parse(read(ALERTS_FILE)) as Groups).groups.flatMap(({ rules }) => rules)

export const PAGES = [
  ...readdirSync(root),
  ...readdirSync(`${root}docs`, { recursive: true, encoding: 'utf8' }).map(
    (name) => `docs/${name}`,
  ),
  'helm/isales-auth-proxy/README.md',
].filter((name) => name.endsWith('.md'))

export const blocksOf = (page: string): readonly string[] =>
  Array.from(read(page).matchAll(/^ *```sh\n([^]*?)^ *```/gm), ([, block = '']) => block)

/** Returns the shell block of these pages that begins with `start`. @throws {Error} if there is none, or another one. */
export function blockOf(pages: readonly string[], start: string): string {
  const [block, another] = pages.flatMap(blocksOf).filter((one) => one.startsWith(start))
  if (block === undefined || another !== undefined)
    throw new Error(`${pages.join()}: not one shell block begins with ${start}`)
  return block
}

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
