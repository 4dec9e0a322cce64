import { inspect } from 'node:util'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan'
export type Paint = (style: Style, text: string) => string

export interface Screen {
  readonly paint: Paint
  /** True if there is a live line. */
  readonly live: boolean
  /** Prints a permanent line. */
  readonly print: (line: string) => void
  /** Replaces the live line at the bottom; segments that do not fit are left out. */
  readonly show: (segments: readonly (readonly [style: Style, text: string])[]) => void
  /** Removes the live line and shows the cursor again. */
  readonly end: () => void
}

/** Where the demo writes. */
export interface Terminal {
  /** `columns` is the width of the window, and changes with it. */
  readonly stdout: { readonly columns?: number; write(text: string): unknown }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isTTY: boolean
}

const CLEAR_LINE = '\r\u001b[K'
const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'

/** Prints permanent lines, and a live line at the bottom of a terminal. */
export function createScreen({ stdout, isTTY, env }: Terminal): Screen {
  const live = isTTY && env['TERM'] !== 'dumb'
  // https://no-color.org: set and not empty.
  const hasColour = live && (env['NO_COLOR'] ?? '') === ''
  const paint: Paint = (style, text) => {
    const [begin, end] = inspect.colors[style] ?? [0, 0]
    return hasColour ? `\u001b[${begin}m${text}\u001b[${end}m` : text
  }
  let current = ''
  let hidden = false

  return {
    paint,
    live,
    print(line) {
      stdout.write(live ? `${CLEAR_LINE}${line}\n${current}` : `${line}\n`)
    },
    show(segments) {
      if (!live) return
      // A line that wraps could not be cleared.
      const columns = (stdout.columns ?? 80) - 1
      let width = 0
      current = segments
        .filter(([, text]) => (width += text.length) <= columns)
        .map(([style, text]) => paint(style, text))
        .join('')
      stdout.write(`${hidden ? '' : HIDE_CURSOR}${CLEAR_LINE}${current}`)
      hidden = true
    },
    end() {
      if (!hidden) return
      stdout.write(`${CLEAR_LINE}${SHOW_CURSOR}`)
      current = ''
      hidden = false
    },
  }
}
