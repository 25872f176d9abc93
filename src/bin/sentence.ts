import { ConfigError } from '../config.ts'
import { dbSentence } from '../db/failure.ts'
import { StartFailure } from '../embedded/start-failure.ts'
import { kafkaSentence } from '../kafka/failure.ts'
import { TopicRefusal } from '../kafka/topics.ts'
import { StartError } from '../start-error.ts'

/** What went wrong, for a person. A driver's own text may hold parameters, so it is told in words of ours. */
export function sentenceOf(error: unknown): string {
  if (FOR_A_PERSON.some((known) => error instanceof known)) return (error as Error).message
  const sentence = kafkaSentence(error) ?? dbSentence(error)
  return sentence ?? (error instanceof Error ? error.message : String(error))
}

const FOR_A_PERSON = [StartError, StartFailure, ConfigError, TopicRefusal]
