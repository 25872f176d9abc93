import type { HTTPMethods } from 'fastify'
import type { ZodObject, ZodType } from 'zod'
import type { Scope } from '../../domain/access.ts'
import type { ProblemExamples } from '../../domain/examples.ts'
import type { ProblemSlug } from '../../domain/problem.ts'
import type { HeaderName } from './headers.ts'

type Json = Readonly<Record<string, unknown>>

export interface Example {
  summary?: string
  /** Or how it is made of the problems, whose types are a matter of configuration. */
  value: Json | ((problems: ProblemExamples) => Json)
}

/** A header that an answer has, or with `?` may have. */
export type AnswerHeader = HeaderName | `${HeaderName}?`

/** One of the answers that an operation gives when all goes well. */
export interface Answer {
  description: string
  /** Without: `application/json`. */
  mediaType?: string
  /** Of its JSON; none when it has no body. */
  schema?: ZodType
  headers?: readonly AnswerHeader[]
  examples?: Record<string, Example>
  /** Operations that go on from here, each with where its parameters come from. */
  links?: Record<string, { operationId: string; parameters: Record<string, string>; description?: string }>
}

/** A request body. */
export interface Body {
  /** A schema, or the name of a component that stands for one. */
  schema: ZodType | { component: string }
  mediaTypes: readonly ['application/json', ...string[]]
  /** Where it may be larger than other bodies. */
  maxBytes?: number
  examples: Record<string, Example>
}

/** What one route takes and gives: what the server reads a request with, and what is published. */
export interface Operation {
  operationId: string
  method: HTTPMethods & ('GET' | 'POST' | 'PATCH')
  /** As the router writes it: `/things/:thing_id`. */
  url: string
  /** What its callers need, where tokens are asked for; `public`: nothing. */
  scope: Scope | 'public'
  tag: 'registration' | 'catalog' | 'service'
  summary: string
  description?: string
  params?: ZodObject
  query?: ZodObject
  headers?: ZodObject
  body?: Body
  answers: Record<number, Answer>
  /** Problems that it has beyond those that every operation has. */
  problems: readonly ProblemSlug[]
}

/** Keeps the precise types of an operation. */
export const operation = <const T extends Operation>(one: T) => one
