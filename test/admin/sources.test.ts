import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { certificateEnds } from '../../src/admin/sources.ts'
import { certificateReader } from '../../src/config/certificates.ts'
import { makeCertificates } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const folder = temporaryDirectory()
const { ca, server, expired } = makeCertificates()

function file(name: string, ...pems: readonly string[]): string {
  const path = join(folder, name)
  writeFileSync(path, pems.join(''))
  return path
}

test('of a chain the own certificate counts, of a bundle of authorities the earliest end', () => {
  const ends = certificateEnds({
    listenTlsCertFile: file('chain.pem', server.cert, expired.cert),
    isalesClientCertFile: undefined,
    isalesCaFile: file('bundle.pem', ca.cert, expired.cert),
  })()
  expect(ends.listener).toBeGreaterThan(Date.now())
  expect(ends.client).toBeUndefined()
  expect(ends.ca).toBeLessThan(Date.now())
})

test('a renewed file is read anew, and one that cannot be read has no end', () => {
  const isalesClientCertFile = file('client.pem', expired.cert)
  const ends = certificateEnds({
    listenTlsCertFile: undefined,
    isalesClientCertFile,
    isalesCaFile: undefined,
  })
  const end = (): number | undefined => ends().client
  expect(end()).toBeLessThan(Date.now())
  file('client.pem', server.cert)
  expect(end()).toBeGreaterThan(Date.now())
  file('client.pem', 'nonsense')
  expect(end()).toBeUndefined()
})

test('a file that has not changed is not parsed again, so that nobody who scrapes holds up calls', () => {
  const read = certificateReader(file('unchanged.pem', ca.cert, server.cert))
  expect(read()).toHaveLength(2)
  expect(read()).toBe(read())
})
