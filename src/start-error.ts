import { ConfigError } from './config.ts'
import { dbIsAway, dbSentence } from './db/failure.ts'
import { kafkaHangsUp, kafkaIsAway, kafkaSentence } from './kafka/failure.ts'
import { TopicRefusal } from './kafka/topics.ts'

/** Cannot start: one sentence that says why. */
export class StartError extends Error {
  override readonly name: string = 'StartError'
}

/** Cannot start yet: what does not answer may come back by itself. */
export class Unreached extends StartError {
  override readonly name = 'Unreached'
  /** What does not answer, in a sentence. */
  readonly reason: string
  /** Whether it may also be that somebody has to act: who never saw it answer had better say so. */
  readonly isDoubtful: boolean

  constructor(
    reason: string,
    { isDoubtful = false, ...options }: ErrorOptions & { isDoubtful?: boolean } = {},
  ) {
    super(`Cannot start: ${reason}`, options)
    this.reason = reason
    this.isDoubtful = isDoubtful
  }
}

/** Says in one sentence what a start could not reach, by the variable that names it: the address may hold a password. */
export async function reaching<T>(variable: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (error instanceof ConfigError || error instanceof StartError) throw error
    if (error instanceof TopicRefusal)
      throw new StartError(`Cannot start: ${error.message}`, { cause: error })
    const name = error instanceof Error ? error.name : 'unknown'
    const sentence =
      kafkaSentence(error) ??
      dbSentence(error, variable) ??
      `what ${variable} names does not answer as it should (${name})`
    const isDoubtful = kafkaHangsUp(error)
    if (isDoubtful || kafkaIsAway(error) || dbIsAway(error))
      throw new Unreached(sentence, { cause: error, isDoubtful })
    throw new StartError(`Cannot start: ${sentence}`, { cause: error })
  }
}
