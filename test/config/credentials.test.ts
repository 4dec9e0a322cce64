import { describe, expect, it } from 'vitest'
import { loadConfig, readCredentials } from '../../src/config/load.ts'
import { configOf, disk, MINIMAL, PASSWORD, PASSWORDLESS } from './stand.ts'

describe('readCredentials', () => {
  const ENV = {
    ...PASSWORDLESS,
    ISALES_USER: undefined,
    ISALES_USER_FILE: '/u',
    ISALES_PASSWORD_FILE: '/pw',
  }
  const config = configOf(loadConfig(ENV, disk({ '/u': 'obs', '/pw': 'old' })))

  it('gives what the files hold now', () => {
    const read = readCredentials(config, disk({ '/u': 'obs2\n', '/pw': 'new\n' }))
    if (!read.ok) throw new Error(read.fault.problem)
    expect([read.user, read.password.reveal()]).toEqual(['obs2', 'new'])
  })

  it('keeps what did not come from a file', () => {
    const read = readCredentials(configOf(loadConfig(MINIMAL)), disk({}))
    if (!read.ok) throw new Error(read.fault.problem)
    expect([read.user, read.password.reveal()]).toEqual(['obs', PASSWORD])
  })

  it.each([
    [{ '/u': 'obs' }, 'ISALES_PASSWORD_FILE'],
    [{ '/u': 'obs', '/pw': '' }, 'ISALES_PASSWORD_FILE'],
    [{ '/pw': 'new' }, 'ISALES_USER_FILE'],
  ])('names the file that is of no use: %j', (files, setting) => {
    const read = readCredentials(config, disk(files))
    expect(read).toMatchObject({ ok: false, fault: { setting } })
  })
})
