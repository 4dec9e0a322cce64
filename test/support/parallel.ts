/** Runs `act` for each item in order, at most `workers` at a time. */
export async function inParallel<Item>(
  items: readonly Item[],
  workers: number,
  act: (item: Item, nth: number) => Promise<void>,
): Promise<void> {
  const waiting = items.entries()
  const work = async (): Promise<void> => {
    for (const [nth, item] of waiting) await act(item, nth)
  }
  await Promise.all(Array.from({ length: workers }, work))
}
