import { expect, test } from 'vitest'
import { certificateEnds } from '../../src/admin/sources.ts'
import { certificateReader } from '../../src/config/certificates.ts'
import { makeCertificates } from '../support/certificates.ts'
import { temporaryFiles } from '../support/temporary.ts'

const file = temporaryFiles()
const { ca, server, expired } = makeCertificates()

const NONE = {
  listenTlsCertFile: undefined,
  isalesClientCertFile: undefined,
  isalesCaFile: undefined,
}

test('of a chain the own certificate counts, of a bundle of authorities the earliest end', () => {
  const listenTlsCertFile = file('chain.pem', server.cert + expired.cert)
  const isalesCaFile = file('bundle.pem', ca.cert + expired.cert)
  const ends = certificateEnds({ ...NONE, listenTlsCertFile, isalesCaFile })()
  expect(ends.listener).toBeGreaterThan(Date.now())
  expect(ends.client).toBeUndefined()
  expect(ends.ca).toBeLessThan(Date.now())
})

test('a renewed file is read anew, and one that cannot be read has no end', () => {
  const isalesClientCertFile = file('client.pem', expired.cert)
  const ends = certificateEnds({ ...NONE, isalesClientCertFile })
  expect(ends().client).toBeLessThan(Date.now())
  file('client.pem', server.cert)
  expect(ends().client).toBeGreaterThan(Date.now())
  file('client.pem', 'nonsense')
  expect(ends().client).toBeUndefined()
})

test('a file that has not changed is not parsed again, so that nobody who scrapes holds up calls', () => {
  const read = certificateReader(file('unchanged.pem', ca.cert + server.cert))
  expect(read()).toHaveLength(2)
  expect(read()).toBe(read())
})
