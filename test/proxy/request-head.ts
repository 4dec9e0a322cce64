import type { RequestHead, RequestRules } from '../../src/proxy/validate.ts'

export const RULES: RequestRules = {
  hosts: new Set(['localhost', '127.0.0.1', '[::1]', 'obs.example']),
  pseudonym: 'us-4711',
  scheme: 'http',
  allowedPaths: ['/rest/isales/'],
  maxBodySize: 1000,
}
export const OPEN: RequestRules = { ...RULES, hosts: undefined, allowedPaths: ['/'] }
export const PATH = '/rest/isales/v1/openapi/obs/business/tasks'

/** A good request, but for the changes. */
export function head(changes: Partial<RequestHead> = {}): RequestHead {
  return {
    method: 'POST',
    target: PATH,
    httpVersion: '1.1',
    rawHeaders: ['Host', 'localhost:8080'],
    ...changes,
  }
}
