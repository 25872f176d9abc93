import { ConfigError } from './config.ts'
import { dbSentence } from './db/failure.ts'
import { kafkaSentence } from './kafka/failure.ts'
import { TopicRefusal } from './kafka/topics.ts'

/** Cannot start: one sentence that says why. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

/** Says in one sentence what a start could not reach, by the variable that names it: the address may hold a password. */
export async function reaching<T>(variable: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (error instanceof ConfigError) throw error
    if (error instanceof TopicRefusal)
      throw new StartError(`Cannot start: ${error.message}`, { cause: error })
    const name = error instanceof Error ? error.name : 'unknown'
    const sentence =
      kafkaSentence(error) ??
      dbSentence(error, variable) ??
      `what ${variable} names does not answer as it should (${name})`
    throw new StartError(`Cannot start: ${sentence}`, { cause: error })
  }
}
