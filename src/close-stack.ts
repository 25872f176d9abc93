/** What was opened, to be closed in the opposite order. */
export interface CloseStack {
  add(close: () => unknown): void
  /** Closes all of it, going on past a failure, and throws the first failure at the end. Later calls do nothing. */
  close(): Promise<void>
}

export function closeStack(): CloseStack {
  const closings: (() => unknown)[] = []
  return {
    add: (close) => void closings.push(close),
    async close() {
      const failures: unknown[] = []
      for (let close = closings.pop(); close; close = closings.pop()) {
        try {
          await close()
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
    },
  }
}
