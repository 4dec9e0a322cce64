import { REFUSALS } from '../../src/http/problem.ts'
import { validateRequest, type ValidRequest } from '../../src/proxy/validate.ts'

/** The request, or the code of its refusal. */
export function validated(
  ...args: Parameters<typeof validateRequest>
): ValidRequest | { readonly refused: string } {
  const valid = validateRequest(...args)
  return 'refused' in valid ? { refused: REFUSALS[valid.refused].code } : valid
}
