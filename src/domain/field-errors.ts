import type { z } from 'zod'
import { pointerTo } from './limits.ts'
import type { FieldError } from './problem.ts'

/** More at once help nobody. */
const MAX_ERRORS = 100

/** Where the schema's word is not JSON's. */
const JSON_WORDS: Partial<Record<string, string>> = {
  record: 'an object',
  object: 'an object',
  array: 'a list',
  int: 'a whole number',
}

/** The first 100 things that a schema found wrong, in words for the caller. The schema is to report its inputs. */
export function fieldErrors(error: z.core.$ZodError | undefined): FieldError[] {
  return (error?.issues.slice(0, MAX_ERRORS) ?? []).flatMap(errorsOf).slice(0, MAX_ERRORS)
}

function errorsOf(issue: z.core.$ZodIssue): FieldError[] {
  const pointer = issue.path.reduce<string>((parent, name) => pointerTo(parent, String(name)), '')
  if (issue.code === 'unrecognized_keys')
    return issue.keys
      .slice(0, MAX_ERRORS)
      .map((key) => ({ pointer: pointerTo(pointer, key), detail: 'is not a known field' }))
  if (issue.code === 'invalid_type')
    return [
      {
        pointer,
        detail:
          issue.input === undefined
            ? 'is required'
            : `must be ${JSON_WORDS[issue.expected] ?? `a ${issue.expected}`}`,
      },
    ]
  if (issue.code === 'invalid_value')
    return [
      {
        pointer,
        detail: issue.input === undefined ? 'is required' : `must be one of: ${issue.values.join(', ')}`,
      },
    ]
  if (issue.code === 'invalid_key') return issue.issues.map(({ message: detail }) => ({ pointer, detail }))
  return [{ pointer, detail: issue.message }]
}
