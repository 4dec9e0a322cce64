import { parse } from '@bufbuild/cel'

type Node = ReturnType<typeof parse>['expr'] | undefined
type Scope = Readonly<Record<string, unknown>>

/**
 * Evaluates an expression of the Common Expression Language: the part of it that the chart uses, parsed by the real
 * parser. An object such as `Object.spec{name: "x"}` becomes a plain one.
 *
 * @throws on a syntax error, on a type that does not fit its place, and on anything outside of that part.
 */
export const evaluate = (expression: string, scope: Scope): unknown =>
  valueOf(parse(expression).expr, scope)

const valueOf = (node: Node, scope: Scope): unknown => {
  const kind = node?.exprKind ?? { case: undefined }
  switch (kind.case) {
    case 'constExpr': {
      const { value } = kind.value.constantKind
      return typeof value === 'bigint' ? Number(value) : value
    }
    case 'identExpr':
      if (!(kind.value.name in scope)) throw new Error(`${kind.value.name} is not declared`)
      return scope[kind.value.name]
    case 'selectExpr': {
      const { operand, field, testOnly } = kind.value
      const object = valueOf(operand, scope) as Scope
      if (testOnly) return field in object
      if (!(field in object)) throw new Error(`no such key: ${field}`)
      return object[field]
    }
    case 'listExpr':
      return kind.value.elements.map((element) => valueOf(element, scope))
    case 'structExpr':
      return Object.fromEntries(
        kind.value.entries.map(({ keyKind, value }) => {
          const { messageName } = kind.value
          if (keyKind.case === 'mapKey') {
            if (messageName !== '') throw new Error('a map with the name of a type')
            return [String(valueOf(keyKind.value, scope)), valueOf(value, scope)]
          }
          const inner = value?.exprKind
          const typed = inner?.case === 'structExpr' ? inner.value.messageName : ''
          // The API server declares one type for each place in the object.
          if (
            typed !== '' &&
            messageName !== 'JSONPatch' &&
            typed !== `${messageName}.${keyKind.value}`
          )
            throw new Error(`${typed} in ${messageName}.${keyKind.value}`)
          return [String(keyKind.value), valueOf(value, scope)]
        }),
      )
    case 'callExpr':
      return call(kind.value.function, kind.value.args, scope)
    case 'comprehensionExpr': {
      const { iterVar, iterRange, accuVar, accuInit, loopStep, result } = kind.value
      let accumulated = valueOf(accuInit, scope)
      for (const item of valueOf(iterRange, scope) as unknown[])
        accumulated = valueOf(loopStep, { ...scope, [iterVar]: item, [accuVar]: accumulated })
      return valueOf(result, { ...scope, [accuVar]: accumulated })
    }
    case undefined:
      throw new Error('an expression is missing')
  }
}

const call = (name: string, args: readonly Node[], scope: Scope): unknown => {
  const [first, second, third] = args
  const value = (node: Node | undefined) => valueOf(node, scope)
  switch (name) {
    case '_?_:_':
      return value(first) === true ? value(second) : value(third)
    case '_&&_':
      return value(first) === true && value(second) === true
    case '_||_':
      return value(first) === true || value(second) === true
    case '!_':
      return value(first) !== true
    case '_==_':
      return value(first) === value(second)
    case '@in':
      return String(value(first)) in (value(second) as Scope)
    case '_[_]':
      return (value(first) as Scope)[String(value(second))]
    case '@not_strictly_false':
      return value(first) !== false
    case '_+_':
      return [...(value(first) as unknown[]), ...(value(second) as unknown[])]
    default:
      throw new Error(`not understood: ${name}`)
  }
}
