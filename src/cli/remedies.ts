/** What to do about a stage of the conversation that does not work as it should. */
export const REMEDIES = {
  blind:
    'Ask the vendor how iSales refuses a token that is not valid; ISALES_REJECTED_STATUSES and ISALES_REJECTED_RESULTS tell the proxy',
  carrier:
    'Check ISALES_TOKEN_HEADERS, ISALES_TOKEN_SCHEME, ISALES_TOKEN_FIELD and ISALES_LOGIN_PATH; `discover` finds them',
  milliseconds: 'Perhaps iSales states milliseconds: tell the vendor; 24 h are believed at most',
  refresh: '`discover` finds the form, or set ISALES_REFRESH_PATH=off',
} as const
