/** What happened, and what to do about it: sentences without a full stop. The second is empty when nothing is to be done. */
export type Said = readonly [what: string, todo: string]
