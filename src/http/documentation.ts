/** The documentation of this project: `type` of a problem and the run-book of a state are pages below it. */
export const DOCUMENTATION = 'https://github.com/isales-auth-proxy/isales-auth-proxy/blob/main/docs'
