import { describe, expect, it } from 'vitest'
import { createScreen } from '../../demo/screen.ts'

function screenOn(isTTY: boolean, env: Record<string, string> = {}, columns = 80) {
  let written = ''
  const stdout = { columns, write: (text: string) => (written += text) }
  return { screen: createScreen({ stdout, isTTY, env }), written: () => written }
}

describe('the screen', () => {
  it('writes plain lines where there is no terminal', () => {
    const { screen, written } = screenOn(false)
    screen.show([['bold', 'never seen']])
    screen.print(screen.paint('green', 'a line'))
    screen.end()
    expect(written()).toBe('a line\n')
  })

  it('writes plain lines on a terminal that can do no more', () => {
    const { screen, written } = screenOn(true, { TERM: 'dumb' })
    screen.show([['bold', 'never seen']])
    screen.print(screen.paint('green', 'a line'))
    expect(written()).toBe('a line\n')
  })

  it('keeps the live line below what is printed, and removes it at the end', () => {
    const { screen, written } = screenOn(true, { NO_COLOR: '1' })
    screen.show([['bold', 'live']])
    screen.print('printed')
    screen.end()
    screen.end()
    expect(written()).toBe('\u001b[?25l\r\u001b[Klive\r\u001b[Kprinted\nlive\r\u001b[K\u001b[?25h')
  })

  it('shows the live line without colour when NO_COLOR is set, with colour when it is empty', () => {
    const plain = screenOn(true, { NO_COLOR: '1' })
    plain.screen.show([['red', 'live']])
    expect(plain.written()).toBe('\u001b[?25l\r\u001b[Klive')
    const coloured = screenOn(true, { NO_COLOR: '' })
    coloured.screen.show([['red', 'live']])
    expect(coloured.written()).toContain('\u001b[31mlive\u001b[39m')
  })

  it('leaves out segments that would wrap, and all after them', () => {
    const { screen, written } = screenOn(true, { NO_COLOR: '1' }, 10)
    screen.show([
      ['bold', '12345'],
      ['bold', '67890'],
      ['bold', 'x'],
    ])
    expect(written()).toBe('\u001b[?25l\r\u001b[K12345')
  })
})
