import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KEPT_RESPONSE } from '../../src/upstream/attempt.ts'
import {
  createInspector,
  type Inspector,
  type InspectorOptions,
  type KeptResponse,
} from '../../src/proxy/inspect.ts'

function inspectorOf(options: Partial<InspectorOptions> = {}): Inspector {
  const inspector = createInspector({ rejectedResults: ['7', 'expired'], ...options })
  if (inspector === undefined) throw new Error('no inspector')
  return inspector
}

const UPPER = {
  path: '/interface',
  rewrite: (body: Buffer, host: string) => Buffer.from(body.toString().replaceAll('isales', host)),
}

function kept(body: string | Buffer, changes: Partial<KeptResponse> = {}): KeptResponse {
  return {
    target: '/tasks',
    authority: 'proxy:8080',
    headers: ['Content-Type', 'application/json'],
    body: Buffer.from(body),
    ...changes,
  }
}

describe('what is inspected', () => {
  const wants = (inspector: Inspector, method: string, target: string, status: number) =>
    inspector.wants(method, target, status)

  it('is nothing when nothing is looked for', () => {
    expect(createInspector({ rejectedResults: [] })).toBeUndefined()
  })

  it.each([
    ['POST', '/tasks', 200, true],
    ['GET', '/tasks', 200, true],
    ['HEAD', '/tasks', 200, false],
    ['POST', '/tasks', 201, false],
    ['POST', '/tasks', 401, false],
    ['POST', '/tasks', 500, false],
  ])('while results are looked for: %s %s %i: %s', (method, target, status, held) => {
    expect(wants(inspectorOf(), method, target, status)).toBe(held)
  })

  it.each([
    ['/interface', true],
    ['/interface?a=b', true],
    ['/interfaces', false],
    ['/tasks', false],
  ])('while one response is rewritten: %s: %s', (target, held) => {
    expect(wants(inspectorOf({ rejectedResults: [], rewriting: UPPER }), 'POST', target, 200)).toBe(
      held,
    )
  })
})

describe('a result', () => {
  it.each([
    ['{"result":7}', 'rejected'],
    ['{"result":"7"}', 'rejected'],
    ['{"result":"expired","resultData":{}}', 'rejected'],
    [' {\n"result" : 7.0 }', 'rejected'],
    ['{"result":0}', 'relay'],
    ['{"result":77}', 'relay'],
    ['{"result":"Expired"}', 'relay'],
    ['{"result":null}', 'relay'],
    ['{"result":[7]}', 'relay'],
    ['{"result":{"result":7}}', 'relay'],
    ['{"resultData":{"result":7}}', 'relay'],
    ['[{"result":7}]', 'relay'],
    ['7', 'relay'],
    ['null', 'relay'],
    ['', 'relay'],
    ['{"result":7', 'relay'],
    ['<result>7</result>', 'relay'],
    ['\ufeff{"result":7}', 'relay'],
  ])('%s: %s', (body, verdict) => {
    expect(inspectorOf().inspect(kept(body))).toBe(verdict)
  })

  const plain = Buffer.from('{"result":7}')
  it.each([
    ['gzip', gzipSync(plain), 'rejected'],
    ['GZIP', gzipSync(plain), 'rejected'],
    ['x-gzip', gzipSync(plain), 'rejected'],
    ['br', brotliCompressSync(plain), 'rejected'],
    ['deflate', deflateSync(plain), 'rejected'],
    ['deflate', deflateRawSync(plain), 'rejected'],
    ['identity', plain, 'rejected'],
    ['', plain, 'rejected'],
    ['zstd', plain, 'relay'],
    ['gzip, br', gzipSync(plain), 'relay'],
    ['gzip', plain, 'relay'],
    ['gzip', gzipSync(plain).subarray(0, -9), 'relay'],
    ['deflate', Buffer.alloc(0), 'relay'],
    ['br', Buffer.from('x'), 'relay'],
  ])('in coding %j (%#): %s', (coding, body, verdict) => {
    const headers = ['content-encoding', coding]
    expect(inspectorOf().inspect(kept(body, { headers }))).toBe(verdict)
  })

  it('that hides behind more than is looked into is relayed', () => {
    const bomb = JSON.stringify({ result: 7, padding: 'x'.repeat(10_000_000) })
    const headers = ['Content-Encoding', 'gzip']
    const body = gzipSync(bomb)
    expect(body.length).toBeLessThan(KEPT_RESPONSE)
    expect(inspectorOf().inspect(kept(body, { headers }))).toBe('relay')
  })

  it('is found or not, but nothing ever throws', () => {
    const coding = fc.constantFrom('gzip', 'br', 'deflate', 'identity', 'x')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), coding, (bytes, name) => {
        const response = kept(Buffer.from(bytes), { headers: ['Content-Encoding', name] })
        expect(inspectorOf({ rewriting: UPPER }).inspect(response)).toBe('relay')
      }),
    )
  })
})

describe('the response that names iSales', () => {
  const inspector = inspectorOf({ rejectedResults: [], rewriting: UPPER })
  const target = '/interface'

  it('is given another body, by what the client calls us', () => {
    const verdict = inspector.inspect(kept('{"url":"isales"}', { target }))
    expect(verdict).toEqual({ body: Buffer.from('{"url":"proxy:8080"}') })
  })

  it('is given another body out of its coding', () => {
    const headers = ['Content-Encoding', 'gzip']
    const verdict = inspector.inspect(kept(gzipSync('{"url":"isales"}'), { target, headers }))
    expect(verdict).toEqual({ body: Buffer.from('{"url":"proxy:8080"}') })
  })

  it.each([
    ['nothing in it names iSales', { body: Buffer.from('{}'), target }],
    ['it is another response', { body: Buffer.from('isales'), target: '/tasks' }],
    [
      'the client did not say what it calls us',
      { body: Buffer.from('isales'), target, authority: undefined },
    ],
    [
      'its coding is not known',
      { body: Buffer.from('isales'), target, headers: ['Content-Encoding', 'x'] },
    ],
  ])('is relayed as it came when %s', (_, changes) => {
    expect(inspector.inspect(kept('', changes))).toBe('relay')
  })

  it('may be a rejection, too', () => {
    const both = inspectorOf({ rewriting: UPPER })
    expect(both.inspect(kept('{"result":7,"url":"isales"}', { target }))).toBe('rejected')
  })
})
