export interface GatherOptions<Item, Answer> {
  /** Answers one batch: an answer for each item, in the same order. */
  run: (items: Item[]) => Promise<readonly Answer[]>
  sizeOf: (item: Item) => number
  maxItems: number
  maxSize: number
  maxInFlight: number
}

/**
 * Turns single calls into batches: all that come in one turn of the event loop, or while `maxInFlight` batches are
 * under way, go together. A call that is alone goes at once. A batch that fails, fails each of its calls.
 */
export function gather<Item, Answer>(options: GatherOptions<Item, Answer>): (item: Item) => Promise<Answer> {
  const { run, sizeOf, maxItems, maxSize, maxInFlight } = options
  const waiting: { item: Item; resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = []
  let inFlight = 0
  let scheduled = false

  function schedule() {
    if (scheduled || waiting.length === 0 || inFlight >= maxInFlight) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      flush()
    })
  }

  function flush() {
    while (waiting.length > 0 && inFlight < maxInFlight) {
      let size = 0
      const end = waiting.findIndex((call, index) => {
        size += sizeOf(call.item)
        return index > 0 && (index >= maxItems || size > maxSize)
      })
      const calls = waiting.splice(0, end === -1 ? waiting.length : end)
      inFlight += 1
      run(calls.map((call) => call.item))
        .then(
          (answers) => {
            for (const [index, call] of calls.entries()) call.resolve(answers[index]!)
          },
          (error) => {
            for (const call of calls) call.reject(error)
          },
        )
        .finally(() => {
          inFlight -= 1
          schedule()
        })
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      schedule()
    })
}
