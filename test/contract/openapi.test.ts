import { readFileSync } from 'node:fs'
import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, test } from 'vitest'
import { EXECUTION_ENGINES } from '../../src/domain/workflow.ts'
import { OPERATIONS, openApiDocument } from '../../src/http/contract/openapi.ts'
import { differences } from './differences.ts'
import { CLIENT_TYPES, makeClientTypes, makeSnapshot, SNAPSHOT } from './generate.ts'
import { complaints, document, operations, resolve, type Schema } from './schemas.ts'

const snapshot = readFileSync(SNAPSHOT, 'utf8')
const RENEW = 'look at the differences; where they are meant, `npm run contract` takes them over'

describe('the reviewed files', () => {
  test('test/contract/openapi.json is what the service makes', () => {
    expect(differences(JSON.parse(snapshot), JSON.parse(makeSnapshot())), RENEW).toEqual([])
    expect(snapshot === makeSnapshot(), `only the order or the layout differs: ${RENEW}`).toBe(true)
  })

  test('src/client/types.ts is what the document makes', async () => {
    const types = await makeClientTypes(snapshot)
    const lines = readFileSync(CLIENT_TYPES, 'utf8').split('\n')
    const differs = types.split('\n').findIndex((line, index) => line !== lines[index])
    expect(differs, `line ${differs + 1} differs: ${RENEW}`).toBe(-1)
    expect(types.split('\n')).toHaveLength(lines.length)
  })

  test('a difference is told by where it is and what it was', () => {
    const old = { paths: { '/a': { get: { summary: 'old', tags: ['x', 'y'] } } }, gone: 1 }
    const now = { paths: { '/a': { get: { summary: 'new', tags: ['x'] } }, '/b': {} } }
    expect(differences(old, now)).toEqual([
      'changed /paths/~1a/get/summary: "old" → "new"',
      'removed /paths/~1a/get/tags/1: "y"',
      'added /paths/~1b: {}',
      'removed /gone: 1',
    ])
  })
})

describe('the document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const validator = new Validator()
    expect(await validator.validate(JSON.parse(snapshot))).toEqual({ valid: true })
    expect(validator.version).toBe('3.1')
  })

  test('has each operation once', () => {
    const described = operations.map(({ operationId }) => operationId)
    expect(described.toSorted()).toEqual(OPERATIONS.map(({ operationId }) => operationId).toSorted())
    expect(new Set(described).size).toBe(described.length)
  })

  test('has what every reference and every link refers to', () => {
    const references = [...snapshot.matchAll(/"\$ref": "([^"]+)"/g)].map(([, reference]) => reference!)
    expect(references.length).toBeGreaterThan(50)
    for (const reference of references) resolve(reference)

    const links = operations.flatMap(({ responses }) =>
      Object.values(responses).flatMap(({ links = {} }) => Object.values(links)),
    )
    expect(links).not.toEqual([])
    for (const { operationId, parameters } of links) {
      const target = operations.find((one) => one.operationId === operationId)
      expect(target?.parameters.map(({ name }) => name)).toEqual(
        expect.arrayContaining(Object.keys(parameters)),
      )
    }
  })

  test('names every parameter of its paths', () => {
    for (const { path, parameters } of operations)
      expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
      )
  })

  test('tells of every header that an operation reads', () => {
    const headersOf = (operationId: string) =>
      operations
        .find((one) => one.operationId === operationId)!
        .parameters.filter((one) => one.in === 'header')
        .map(({ name }) => name)
    expect(headersOf('createWorkflow')).toEqual(['Idempotency-Key'])
    expect(headersOf('acceptWorkflow')).toEqual(['Idempotency-Key', 'Prefer', 'traceparent', 'tracestate'])
    expect(headersOf('getWorkflowRequest')).toEqual(['Prefer', 'If-None-Match'])
  })

  test('has the engines as a schema of their own', () => {
    expect(document.components.schemas.ExecutionEngine).toEqual({
      type: 'string',
      enum: [...EXECUTION_ENGINES],
    })
  })

  test('has the types of problems below the address that is configured', () => {
    const elsewhere = JSON.stringify(openApiDocument('https://problems.example'))
    expect(elsewhere).toContain('https://problems.example/problems/conflict')
    expect(elsewhere).not.toContain('workflow-registrar.io')
  })
})

describe.each(operations.map((one) => [one.operationId, one] as const))('%s', (_id, operation) => {
  const { body, parameters, responses } = operation

  test('has examples of what it takes, and they are valid', () => {
    for (const { name, schema } of parameters)
      for (const example of examplesIn(schema))
        expect({ name, wrong: complaints(schema, example) }).toEqual({ name, wrong: [] })
    if (!body) return
    expect(Object.keys(body.examples ?? {})).not.toEqual([])
    for (const { value } of Object.values(body.examples ?? {}))
      expect(complaints(body.schema, value)).toEqual([])
  })

  test('has examples of each answer, and they are valid', () => {
    for (const [status, { content = {}, headers = {} }] of Object.entries(responses)) {
      for (const [type, { schema, examples = {} }] of Object.entries(content)) {
        expect(type).toMatch(
          Number(status) < 400 ? /^application\/(schema\+)?json$/ : /^application\/problem\+json$/,
        )
        expect(Object.keys(examples), status).not.toEqual([])
        for (const [name, { value }] of Object.entries(examples))
          expect({ status, name, wrong: complaints(schema, value) }).toEqual({ status, name, wrong: [] })
        if (Number(status) >= 400)
          for (const { value } of Object.values(examples))
            expect(value).toHaveProperty('status', Number(status))
      }
      for (const [name, { schema }] of Object.entries(headers)) {
        expect(examplesIn(schema), name).not.toEqual([])
        for (const example of examplesIn(schema)) expect(complaints(schema, example)).toEqual([])
      }
    }
  })
})

function examplesIn(schema: Schema): readonly unknown[] {
  return typeof schema === 'object' && Array.isArray(schema.examples) ? schema.examples : []
}
