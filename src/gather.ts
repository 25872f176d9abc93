export interface GatherOptions<Item, Answer> {
  /** Answers one batch: an answer for each item, in the same order. */
  run: (items: Item[]) => Promise<readonly Answer[]>
  sizeOf: (item: Item) => number
  /** As how many items one counts; default: one. */
  countOf?: (item: Item) => number
  maxItems: number
  maxSize: number
  maxInFlight: number
  /** How long a batch waits for those under way, for more to go with it, before it goes beside them; default: not. */
  lingerMs?: number
  /** Whether nobody waits for it any more: then it is dropped instead of begun. */
  isExpired?: (item: Item) => boolean
}

/** A call was dropped before it was begun. */
export class Expired extends Error {
  override readonly name = 'Expired'
}

/**
 * Turns single calls into batches: all that come in one turn of the event loop, or while `maxInFlight` batches are
 * under way, go together. A call that is alone goes at once. A batch that fails, fails each of its calls.
 */
export function gather<Item, Answer>(options: GatherOptions<Item, Answer>): (item: Item) => Promise<Answer> {
  const { run, sizeOf, maxItems, maxSize, maxInFlight } = options
  const { countOf = () => 1, isExpired = () => false, lingerMs = 0 } = options
  const waiting: { item: Item; resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = []
  let inFlight = 0
  let scheduled = false
  let lastBegan = 0
  let isLingering = false

  /** For how long the next batch waits on purpose. */
  function lingersMs(): number {
    return inFlight === 0 || lingerMs === 0 ? 0 : lastBegan + lingerMs - performance.now()
  }

  function schedule() {
    if (scheduled || waiting.length === 0 || inFlight >= maxInFlight) return
    const ms = lingersMs()
    if (ms > 0) {
      if (!isLingering)
        setTimeout(() => {
          isLingering = false
          schedule()
        }, ms)
      isLingering = true
      return
    }
    scheduled = true
    setImmediate(() => {
      scheduled = false
      flush()
    })
  }

  function dropExpired() {
    while (waiting.length > 0 && isExpired(waiting[0]!.item)) waiting.shift()!.reject(new Expired())
  }

  function flush() {
    dropExpired()
    while (waiting.length > 0 && inFlight < maxInFlight && lingersMs() <= 0) {
      let size = 0
      let count = 0
      const end = waiting.findIndex(({ item }, index) => {
        size += sizeOf(item)
        count += countOf(item)
        return index > 0 && (count > maxItems || size > maxSize)
      })
      const calls = waiting.splice(0, end === -1 ? waiting.length : end)
      inFlight += 1
      lastBegan = performance.now()
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
    schedule()
  }

  return (item) =>
    new Promise((resolve, reject) => {
      dropExpired()
      waiting.push({ item, resolve, reject })
      schedule()
    })
}
