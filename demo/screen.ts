const STYLES = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  cyan: 36,
} as const
export type Style = keyof typeof STYLES
export type Paint = (style: Style, text: string) => string

/** A piece of the live line; those that do not fit are left out, from the right. */
export type Piece = readonly [style: Style | undefined, text: string]

export interface Screen {
  readonly paint: Paint
  /** True when there is a live line. */
  readonly live: boolean
  /** A line that stays. */
  readonly print: (line: string) => void
  /** Replaces the live line at the bottom; nothing where there is none. */
  readonly show: (pieces: readonly Piece[]) => void
  /** Takes the live line away and gives the cursor back. */
  readonly end: () => void
}

/** Where the demo writes. */
export interface Terminal {
  /** `columns` is that of the window, and changes with it. */
  readonly stdout: { readonly columns?: number; write(text: string): unknown }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isTTY: boolean
}

const ESC = '\u001b['
const CLEAR_LINE = `\r${ESC}K`
const HIDE_CURSOR = `${ESC}?25l`
const SHOW_CURSOR = `${ESC}?25h`

/** Lines that stay, and on a terminal one at the bottom that lives. */
export function createScreen({ stdout, isTTY, env }: Terminal): Screen {
  const output = stdout
  const live = isTTY && env['TERM'] !== 'dumb'
  // https://no-color.org: set and not empty.
  const colour = live && (env['NO_COLOR'] ?? '') === ''
  const paint: Paint = (style, text) => (colour ? `${ESC}${STYLES[style]}m${text}${ESC}0m` : text)
  let current = ''
  let hidden = false

  return {
    paint,
    live,
    print(line) {
      output.write(live ? `${CLEAR_LINE}${line}\n${current}` : `${line}\n`)
    },
    show(pieces) {
      if (!live) return
      current = fit(pieces, (output.columns ?? 80) - 1)
        .map(([style, text]) => (style === undefined ? text : paint(style, text)))
        .join('')
      output.write(`${hidden ? '' : HIDE_CURSOR}${CLEAR_LINE}${current}`)
      hidden = true
    },
    end() {
      if (!hidden) return
      output.write(`${CLEAR_LINE}${SHOW_CURSOR}`)
      current = ''
      hidden = false
    },
  }
}

/** A line that wraps could not be taken back. */
function fit(pieces: readonly Piece[], columns: number): readonly Piece[] {
  let width = 0
  return pieces.filter(([, text]) => (width += text.length) <= columns)
}
