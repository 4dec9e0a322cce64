import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readCertificateEnds } from '../../src/admin/certificates.ts'
import { makeCertificates } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const folder = temporaryDirectory()
const { ca, server, expired } = makeCertificates()

function file(name: string, ...pems: readonly string[]): string {
  const path = join(folder, name)
  writeFileSync(path, pems.join(''))
  return path
}

function ends(changes: Partial<Parameters<typeof readCertificateEnds>[0]>) {
  return readCertificateEnds({
    listenTlsCertFile: undefined,
    isalesClientCertFile: undefined,
    isalesCaFile: undefined,
    ...changes,
  })
}

test('without files there is no end', () => {
  expect(ends({})).toEqual({ listener: undefined, client: undefined, ca: undefined })
})

test('of a chain the own certificate counts, of a bundle of authorities the earliest end', () => {
  const chain = file('chain.pem', server.cert, expired.cert)
  const bundle = file('bundle.pem', ca.cert, expired.cert)
  const { listener, ca: authority } = ends({ listenTlsCertFile: chain, isalesCaFile: bundle })
  expect(listener).toBeGreaterThan(Date.now())
  expect(authority).toBeLessThan(Date.now())
})

test('a renewed file is read anew, and one that cannot be read has no end', () => {
  const isalesClientCertFile = file('client.pem', expired.cert)
  expect(ends({ isalesClientCertFile }).client).toBeLessThan(Date.now())
  file('client.pem', server.cert)
  expect(ends({ isalesClientCertFile }).client).toBeGreaterThan(Date.now())
  file('client.pem', 'nonsense')
  expect(ends({ isalesClientCertFile }).client).toBeUndefined()
})
