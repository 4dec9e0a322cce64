import { celEnv, isCelError, isCelList, isCelMap, parse, plan, type CelInput } from '@bufbuild/cel'
import { strings } from '@bufbuild/cel/ext'

type Expression = NonNullable<ReturnType<typeof parse>['expr']>

const ENVIRONMENT = celEnv({ funcs: strings })
const PLANNED = new Map<string, ReturnType<typeof plan>>()

/** Evaluates an expression with these variables. @throws on an error, or an object whose type does not match its field. */
export const evaluate = (expression: string, scope: Readonly<Record<string, unknown>>): unknown => {
  let planned = PLANNED.get(expression)
  if (planned === undefined) {
    const parsed = parse(expression)
    untype(parsed.expr)
    planned = plan(ENVIRONMENT, parsed)
    PLANNED.set(expression, planned)
  }
  const result = planned(scope as Record<string, CelInput>)
  if (isCelError(result)) throw result
  return plain(result)
}

const isObject = (node: unknown): node is object => typeof node === 'object' && node !== null

/** Turns each object such as `Object.spec{name: "x"}` into a map: only the API server knows the type of each field. */
const untype = (node: unknown): void => {
  if (!isObject(node)) return
  const { exprKind } = node as Partial<Expression>
  if (exprKind?.case === 'structExpr') {
    const { messageName, entries } = exprKind.value
    exprKind.value.messageName = ''
    for (const entry of entries) {
      if (entry.keyKind.case !== 'fieldKey') continue
      const key = entry.keyKind.value
      checkPlace(`${messageName}.${key}`, entry.value)
      const name = parse(JSON.stringify(key)).expr
      if (name !== undefined) entry.keyKind = { case: 'mapKey', value: name }
    }
  }
  for (const child of Object.values(node)) untype(child)
}

const checkPlace = (place: string, value: Expression | undefined): void => {
  if (
    place === 'JSONPatch.value' &&
    value?.exprKind.case === 'listExpr' &&
    value.exprKind.value.elements.some(({ exprKind }) => exprKind.case === 'structExpr')
  )
    throw new Error('a list of objects as the value of a patch: an API server panics at it')
  if (value?.exprKind.case === 'listExpr')
    for (const element of value.exprKind.value.elements) checkPlace(place, element)
  if (value?.exprKind.case !== 'structExpr') return
  const { messageName } = value.exprKind.value
  if (messageName !== '' && messageName !== place && place !== 'JSONPatch.value')
    throw new Error(`${messageName} in ${place}`)
}

const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return Number(value)
  if (isCelList(value)) return Array.from(value, plain)
  if (!isCelMap(value)) return value
  return Object.fromEntries(Array.from(value, ([key, one]) => [key, plain(one)]))
}
