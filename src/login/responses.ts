import type { IssuedTickets } from './tickets.ts'

/** iSales documents `result` and the lifetimes as strings and shows them as numbers. */
export type NumberStyle = 'number' | 'string'

export const RESPONSE_TYPE = 'application/json;charset=UTF-8'

/** The body of a login or refresh that succeeded, as iSales publishes it. */
export function grantedBody(tickets: IssuedTickets, style: NumberStyle): string {
  const write = styled(style)
  return JSON.stringify({
    result: write(0),
    resultData: {
      token: tickets.access,
      tokenExpirationTime: write(tickets.accessSeconds),
      refreshToken: tickets.refresh,
      refreshExpirationTime: write(tickets.refreshSeconds),
    },
  })
}

/** The body of a refusal in the same shape; `result` is the HTTP status, which is never 0. */
export function refusedBody(status: number, style: NumberStyle): string {
  return JSON.stringify({ result: styled(style)(status), resultData: {} })
}

function styled(style: NumberStyle): (value: number) => number | string {
  return style === 'string' ? String : (value) => value
}
