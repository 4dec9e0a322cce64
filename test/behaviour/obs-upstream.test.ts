import { expect, test } from 'vitest'
import { makeCertificates } from '../support/certificates.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { openWorld } from '../support/world.ts'

const made = makeCertificates()
const ca = made.ca.cert
const file = temporaryFiles()
const CA_FILE = { ISALES_CA_FILE: file('ca.crt', ca) }

test('iSales gets our client certificate for logins and for calls', async () => {
  const world = await openWorld({
    simulator: { tls: { ...made.server, requestCert: true, ca } },
    env: {
      ...CA_FILE,
      ISALES_CLIENT_CERT_FILE: file('client.crt', made.client.cert),
      ISALES_CLIENT_KEY_FILE: file('client.key', made.client.key),
    },
  })
  expect((await world.tasks()).status).toBe(200)
})

test('a changed CA file is trusted without a restart', async () => {
  const caFile = file('changing-ca.crt', made.strangerCa.cert)
  const env = { ISALES_CA_FILE: caFile }
  const world = await openWorld({ simulator: { tls: made.server }, env, ready: false })
  await world.logged('finding-began')
  file('changing-ca.crt', ca)
  await world.app.renew()
  await world.logged('logged-in')
  expect((await world.tasks()).status).toBe(200)
})
