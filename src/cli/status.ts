import { describeResponse, openAdminClient } from './admin-probe.ts'
import { EXIT } from './exit-codes.ts'
import type { Command } from './io.ts'
import { wordsOf } from '../words/index.ts'

const PATHS: Readonly<Record<string, string>> = { text: '/status.txt', json: '/status.json' }

export const status: Command = async ({ output = 'text' }, io) => {
  const path = Object.hasOwn(PATHS, output) ? PATHS[output] : undefined
  if (path === undefined) {
    io.stderr.write(`${wordsOf(io.env).command.output}\n`)
    return EXIT.usage
  }
  const ask = openAdminClient(io)
  if (ask === undefined) return EXIT.usage
  const response = await ask(path)
  const { status, body } = response
  if (status === 200) {
    io.stdout.write(body.endsWith('\n') ? body : `${body}\n`)
    return EXIT.ok
  }
  io.stderr.write(`${describeResponse(response, wordsOf(io.env))}\n`)
  return EXIT.notReady
}
