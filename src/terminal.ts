/**
 * Escapes controls, bidirectional overrides and line separators, which a terminal would obey, as `\\x0d`.
 *
 * @param kept characters that stay, such as the line end in a text of several lines.
 */
export function printable(text: string, kept = ''): string {
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    character === kept
      ? character
      : `\\x${character.codePointAt(0)?.toString(16).padStart(2, '0')}`,
  )
}

/** Returns at most `max` printable characters of a text. */
export function excerpt(text: string, max: number): string {
  return printable(text.slice(0, max)).slice(0, max)
}

/** Spaces, or a word or a Chinese character with the punctuation that must stay next to it. */
const PART = /\s+|（*(?:[^\s⺀-￯]+|[⺀-￯])[，。、；：？！）]*/g

/** Breaks a text into lines of at most `width` columns; a longer word has a line of its own. */
export function fold(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const part of text.match(PART) ?? []) {
    const isSpace = part.trim() === ''
    if (!isSpace && line.trim() !== '' && wide(line) + wide(part) > width) {
      lines.push(line.trimEnd())
      line = part
    } else if (!isSpace || line !== '' || lines.length === 0) line += part
  }
  return [...lines, line.trimEnd()]
}

type Rows = readonly (readonly string[])[]

/** Aligns columns, two spaces apart; the last is not padded, and folded if the lines have a width. */
export function table(rows: Rows, width = Infinity): string {
  const widthOf = (i: number): number => Math.max(...rows.map((row) => wide(row[i] ?? '')))
  const pad = (cell: string, i: number): string => ' '.repeat(widthOf(i) - wide(cell))
  const lines = rows.map((row) => {
    const left = row.slice(0, -1).map((cell, i) => `${cell}${pad(cell, i)}  `)
    const before = left.join('')
    const indent = wide(before)
    const folded = fold(row.at(-1) ?? '', width - indent)
    return `${before}${folded.join(`\n${' '.repeat(indent)}`)}`
  })
  return lines.map((line) => `${line.trimEnd()}\n`).join('')
}

/** Returns the same table, indented by two spaces and without the last line break. */
export function indented(rows: Rows, width?: number): string {
  return table(
    rows.map((row) => ['', ...row]),
    width,
  ).trimEnd()
}

/** Returns a text's width on a terminal, where a Chinese character is two columns wide. */
function wide(text: string): number {
  return text.length + (text.match(/[⺀-￯]/g)?.length ?? 0)
}
