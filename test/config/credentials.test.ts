import { describe, expect, it } from 'vitest'
import { loadConfig, rereadSettings } from '../../src/config/load.ts'
import { configOf, disk, MINIMAL, PASSWORD, PASSWORDLESS } from './stand.ts'

describe('a setting that is read again', () => {
  const env = { ...PASSWORDLESS, ISALES_PASSWORD_FILE: '/pw' }
  const config = configOf(loadConfig(env, disk({ '/pw': 'old' })))

  it('has the value that its file holds now', () => {
    const read = rereadSettings(['isalesPassword'], config, disk({ '/pw': 'new\n' }))
    expect(read.ok && read.value.isalesPassword.reveal()).toBe('new')
  })

  it('stays as it is when it did not come from a file', () => {
    const read = rereadSettings(['isalesPassword'], configOf(loadConfig(MINIMAL)), disk({}))
    expect(read.ok && read.value.isalesPassword.reveal()).toBe(PASSWORD)
  })

  it.each([
    [{}, 'names a file that does not exist'],
    [{ '/pw': '' }, 'names an empty file'],
    [{ '/pw': 'a\0' }, 'holds a value that contains a NUL byte'],
  ])('names the file that is of no use: %j', (files, problem) => {
    expect(rereadSettings(['isalesPassword'], config, disk(files))).toMatchObject({
      ok: false,
      errors: [{ setting: 'ISALES_PASSWORD_FILE', problem }],
    })
  })
})
