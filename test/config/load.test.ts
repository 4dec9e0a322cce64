import { describe, expect, it } from 'vitest'
import { loadConfig, type Environment } from '../../src/config/load.ts'

const MINIMAL: Environment = {
  ISALES_URL: 'https://service.besclouds.com',
  ISALES_USER: 'obs',
  ISALES_PASSWORD: 'pa55word-canary',
}

describe('loadConfig', () => {
  it('needs three settings and takes defaults for the rest', () => {
    const loaded = loadConfig(MINIMAL)
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults))
    expect(loaded.warnings).toEqual([])
    expect(loaded.config).toMatchObject({
      isalesUrl: 'https://service.besclouds.com',
      isalesUser: 'obs',
      isalesUserFile: undefined,
      isalesRefreshPath: '/rest/isales/v1/openapi/obs/auth/refresh',
      isalesTokenHeaders: ['Authorization'],
      isalesRejectedStatuses: [401, 403],
      clientDeadline: 2800,
      maxBodySize: 104_857_600,
      listen: { kind: 'tcp', host: '127.0.0.1', port: 8080 },
      listenSocketMode: 0o600,
      obsLogin: 'answer',
      accessLog: 0,
    })
    expect(loaded.config.isalesPassword.reveal()).toBe('pa55word-canary')
  })

  it('reports every fault at once', () => {
    const loaded = loadConfig({ LISTEN: ':8080', CLIENT_DEADLINE: 'soon', OBS_LOGIN: 'answer' })
    if (loaded.ok) throw new Error('accepted')
    expect(loaded.faults.map((fault) => fault.setting)).toEqual([
      'ISALES_URL',
      'ISALES_USER',
      'ISALES_PASSWORD',
      'CLIENT_DEADLINE',
      'LISTEN',
    ])
  })
})
