import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { BAD_TOKENS, type Commands } from './commands.ts'
import { OPERATIONS, RESET_POINTS } from './faults.ts'
import { parseObject, readBody } from './wire.ts'

interface ControlOptions {
  readonly commands: Commands
  readonly state: () => unknown
  readonly requests: () => unknown
}

type Input = Readonly<Record<string, unknown>>

/** The members that a command cannot do without. */
const NEEDED: Readonly<Record<keyof Commands, readonly string[]>> = {
  set: [],
  revoke: [],
  revokeRefresh: [],
  wrongPassword: [],
  unlock: [],
  failLogin: ['status'],
  failRefresh: ['status'],
  failBusiness: ['status'],
  hang: ['operation'],
  release: [],
  reset: ['operation'],
  slow: ['operation', 'ms'],
  html: ['operation'],
  hugeBody: ['operation'],
  truncatedJson: ['operation'],
  redirect: ['operation'],
  answerLogin: ['body'],
  badToken: ['kind'],
  adopt: ['token'],
  clear: [],
  disconnect: [],
  down: [],
  up: [],
}

const isText = (value: unknown): boolean => typeof value === 'string'
/** What a member may be; its name means the same in every command. */
const MEMBERS: Readonly<Record<string, (value: unknown) => boolean>> = {
  status: (value) => Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 599,
  body: () => true,
  contentType: isText,
  retryAfter: (value) => isText(value) || typeof value === 'number',
  executed: (value) => typeof value === 'boolean',
  times: (value) => value === 'always' || (Number.isInteger(value) && Number(value) > 0),
  operation: (value) => OPERATIONS.some((operation) => operation === value),
  at: (value) => RESET_POINTS.some((point) => point === value),
  ms: (value) => typeof value === 'number' && value >= 0,
  location: isText,
  password: isText,
  token: isText,
  kind: (value) => isText(value) && Object.hasOwn(BAD_TOKENS, String(value)),
}

/** The control port: `POST /control/<command>`, `GET /control/state`, `GET /control/requests`. JSON in and out. */
export function createControl({ commands, state, requests }: ControlOptions) {
  async function answer(request: IncomingMessage): Promise<readonly [number, unknown]> {
    const [, root, name = '', ...rest] = (request.url ?? '').split('/')
    if (root !== 'control' || rest.length > 0) return [404, { error: 'not found' }]
    if (request.method === 'GET' && name === 'state') return [200, state()]
    if (request.method === 'GET' && name === 'requests') return [200, requests()]
    if (!isCommand(name)) return [404, { error: `${name} is not a command` }]
    if (request.method !== 'POST') return [405, { error: 'commands are POST' }]
    const text = (await readBody(request))?.toString() ?? ''
    const input = parseObject(text === '' ? '{}' : text)
    if (input === undefined) return [400, { error: 'the body is not a JSON object' }]
    try {
      if (name !== 'set') checkMembers(input, NEEDED[name])
      // Checked just above; each command takes one object at most.
      const run = commands[name] as (input: Input) => unknown
      return [200, { done: name, answer: (await run(input)) ?? null }]
    } catch (error) {
      if (error instanceof TypeError) return [400, { error: error.message }]
      throw error
    }
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [status, body] = await answer(request)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(`${JSON.stringify(body)}\n`)
  }

  return createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
}

function isCommand(name: string): name is keyof Commands {
  return Object.hasOwn(NEEDED, name)
}

function checkMembers(input: Input, needed: readonly string[]): void {
  for (const name of needed) {
    if (!Object.hasOwn(input, name)) throw new TypeError(`${name} is missing`)
  }
  for (const [name, value] of Object.entries(input)) {
    const check = Object.hasOwn(MEMBERS, name) ? MEMBERS[name] : undefined
    if (check === undefined) throw new TypeError(`${name} is not known`)
    if (!check(value)) throw new TypeError(`${name} cannot be ${JSON.stringify(value)}`)
  }
}
