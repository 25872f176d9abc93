/** What was opened, to be closed in the opposite order. */
export interface CloseStack {
  /** What comes after `close` is closed at once. */
  add(close: () => unknown): void
  /** Closes all of it, going on past a failure, and throws the first failure at the end. Every call is the same one. */
  close(): Promise<void>
}

export function closeStack(): CloseStack {
  const closings: (() => unknown)[] = []
  let closing: Promise<void> | undefined

  async function closeAll() {
    const failures: unknown[] = []
    for (let close = closings.pop(); close; close = closings.pop()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  return {
    add(close) {
      closings.push(close)
      if (!closing) return
      closing = Promise.all([closing, closeAll()]).then(() => {})
      closing.catch(() => {}) // whoever asks for the end hears of it
    },
    close: () => {
      closing ??= closeAll()
      return closing
    },
  }
}
