import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type * as z from 'zod'
import {
  authScheme,
  headerName,
  hostName,
  listenAddress,
  noProxy,
  origin,
  path,
  proxyUrl,
  url,
} from '../../src/config/formats-net.ts'
import {
  boolean,
  choice,
  count,
  duration,
  filePath,
  list,
  octalMode,
  orOff,
  ratio,
  rejectionStatus,
  sampling,
  secret,
  size,
  text,
} from '../../src/config/formats.ts'

const HOUR = 3_600_000
const OTHERS: readonly z.ZodType[] = [
  origin(),
  url(),
  proxyUrl(),
  authScheme(),
  hostName(),
  noProxy(),
  choice('a', 'b'),
  text(9),
  filePath(),
  secret(),
]

describe('what is shown is read as the same value', () => {
  const host = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{1,5})?$/)
  const port = fc.integer({ min: 0, max: 65_535 })
  const segment = fc.stringMatching(/^[a-z0-9~_-]{1,8}$/)
  const token = fc.stringMatching(/^X-[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/)
  const absolute = fc.array(segment).map((parts) => `/${parts.join('/')}`)
  const cases: Readonly<Record<string, readonly [z.ZodType, fc.Arbitrary<unknown>]>> = {
    duration: [duration({ min: 0, max: 24 * HOUR }), fc.integer({ min: 0, max: 24 * HOUR })],
    size: [size({ min: 0, max: 1024 ** 4 }), fc.integer({ min: 0, max: 1024 ** 4 })],
    count: [count({ min: 0, max: 1e6 }), fc.integer({ min: 0, max: 1e6 })],
    ratio: [ratio(0, 1), fc.integer({ min: 0, max: 1000 }).map((n) => n / 1000)],
    sampling: [sampling(), fc.integer({ min: 0, max: 1000 }).map((n) => n / 1000)],
    boolean: [boolean(), fc.boolean()],
    octalMode: [octalMode(), fc.integer({ min: 0, max: 0o777 })],
    listen: [
      listenAddress({ unix: true }),
      fc.oneof(
        fc.record({
          kind: fc.constant('tcp'),
          host: fc.oneof(host, fc.ipV4(), fc.constantFrom('', '::', '::1', 'fe80::1')),
          port,
        }),
        fc.record({ kind: fc.constant('unix'), path: absolute.filter((one) => one !== '/') }),
      ),
    ],
    path: [path(), absolute],
    pathOrOff: [orOff(path()), fc.option(absolute, { nil: undefined })],
    headerNameOrOff: [orOff(headerName()), fc.option(token, { nil: undefined })],
    names: [
      list(headerName()),
      fc.uniqueArray(token, { minLength: 1, selector: (one) => one.toLowerCase() }),
    ],
    statuses: [
      list(rejectionStatus(), { emptyAllowed: true }),
      fc.uniqueArray(fc.integer({ min: 400, max: 499 })),
    ],
  }

  it.each(Object.entries(cases))('%s', (_, [format, values]) => {
    fc.assert(
      fc.property(values, (value) => {
        expect(format.parse(format.encode(value))).toEqual(value)
      }),
    )
  })

  it('and any text at all gives a value or a problem, never an exception', () => {
    const anyText = fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units))
    const formats = [...Object.values(cases).map(([format]) => format), ...OTHERS]
    fc.assert(
      fc.property(fc.constantFrom(...formats), anyText, (format, written) => {
        expect(() => format.safeParse(written)).not.toThrow()
      }),
      { numRuns: 500 },
    )
  })
})
