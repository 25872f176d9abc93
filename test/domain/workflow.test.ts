import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readWorkflow } from '../../src/domain/workflow.ts'
import { aWorkflow } from '../support/workflows.ts'

const CONTENT = 'kind: Workflow'
const HASH = createHash('sha256').update(CONTENT).digest('hex')
const MINIMAL = {
  workflow_name: 'a',
  version: '1.0.0',
  name: 'A',
  description: '',
  content: CONTENT,
  execution_engine: 'tekton',
}
const errorsOf = (fields: object) => readWorkflow({ ...MINIMAL, ...fields }).errors
const workflowOf = (fields: object) => readWorkflow({ ...MINIMAL, ...fields }).workflow

test('the least that is needed becomes a workflow with every default', () => {
  expect(readWorkflow(MINIMAL).workflow).toEqual({
    ...MINIMAL,
    content_hash: HASH,
    labels: {},
    custom_labels: {},
    detected_labels: {},
    parameters: {},
    status: 'active',
  })
})

test('everything that may be said is kept as it is', () => {
  const said = {
    ...MINIMAL,
    content_hash: HASH,
    labels: { a: 'b', c: ['d', 'e'], f: [] },
    custom_labels: { '': '' },
    detected_labels: { a: 1, b: true, c: 'd', e: [1.5, false, 'f'] },
    parameters: [{ deep: { er: [null, 1, 'x', { y: [] }] } }],
    owner: 'o',
    maintainer: '',
    container_image: 'registry/image:1',
    container_digest: 'sha256:0',
    status: 'archived',
  }
  expect(readWorkflow(said).workflow).toEqual(said)
})

test('names of every object, such as constructor, are names like others', () => {
  const odd = { constructor: 'a', toString: 'b', hasOwnProperty: 'c' }
  expect(workflowOf({ labels: odd, parameters: odd })).toMatchObject({ labels: odd, parameters: odd })
  for (const field of Object.keys(odd))
    expect(errorsOf({ [field]: 1 })).toEqual([{ pointer: `/${field}`, detail: 'is not a known field' }])
})

describe.each(Object.keys(MINIMAL))('%s', (field) => {
  test.each([undefined, null])('is required, and %s is none', (nothing) => {
    expect(errorsOf({ [field]: nothing })).toEqual([{ pointer: `/${field}`, detail: 'is required' }])
  })

  test.each([[1], [true], [['x']], [{}]])('cannot be %j', (value) => {
    expect(errorsOf({ [field]: value })).toEqual([
      {
        pointer: `/${field}`,
        detail: field === 'execution_engine' ? 'must be one of: tekton' : 'must be a string',
      },
    ])
  })
})

describe('a version', () => {
  const longest = `1.0.0-${'a'.repeat(249)}`
  test.each(['0.0.0', '10.20.30', '1.0.0-rc.1', '1.0.0-0a.-.1', '1.0.0+build.007', '1.0.0-a+b', longest])(
    'may be %s',
    (version) => {
      expect(workflowOf({ version })).toMatchObject({ version })
    },
  )

  const odd = ['', 'v1.0.0', '1', '1.0', '1.0.0.0', '01.0.0', '1.0.0-01', '1.0.0-', '1.0.0+', '1.0.0-a..b']
  test.each([...odd, ' 1.0.0', '1.0.0\n', '１.0.0', '1.0.0-ü', 'latest', '-1.0.0'])(
    'cannot be %j',
    (version) => {
      expect(errorsOf({ version })).toEqual([
        { pointer: '/version', detail: "must be a semantic version such as '1.0.0' (no 'v')" },
      ])
    },
  )

  test('cannot be longer than 255 characters', () => {
    expect(errorsOf({ version: `${longest}a` })).toEqual([
      { pointer: '/version', detail: 'must have at most 255 characters' },
    ])
  })
})

describe('a workflow_name', () => {
  test.each(['a', ' ', 'Ünïcode / name', 'x'.repeat(255), '🚀'.repeat(255)])('may be %s', (workflow_name) => {
    expect(workflowOf({ workflow_name })).toMatchObject({ workflow_name })
  })

  test.each([
    ['', 'must not be empty'],
    ['x'.repeat(256), 'must have at most 255 characters'],
    ['🚀'.repeat(256), 'must have at most 255 characters'],
  ])('cannot be %s', (workflow_name, detail) => {
    expect(errorsOf({ workflow_name })).toEqual([{ pointer: '/workflow_name', detail }])
  })
})

test.each(['name', 'content'])('an empty %s is refused', (field) => {
  expect(errorsOf({ [field]: '' })).toEqual([{ pointer: `/${field}`, detail: 'must not be empty' }])
})

describe('a content_hash', () => {
  const right = 'must be a SHA-256 in lower-case hex'
  test.each([
    ['of something else', 'a'.repeat(64), 'is not the SHA-256 of content'],
    ['in upper case', HASH.toUpperCase(), right],
    ['that is too short', HASH.slice(1), right],
    ['with a prefix', `sha256:${HASH}`, right],
  ])('%s is refused', (_name, content_hash, detail) => {
    expect(errorsOf({ content_hash })).toEqual([{ pointer: '/content_hash', detail }])
  })

  test('is of the UTF-8 of the content', () => {
    expect(workflowOf({ content: 'ü🚀' })).toMatchObject({
      content_hash: createHash('sha256').update(Buffer.from('ü🚀')).digest('hex'),
    })
  })
})

describe('labels', () => {
  const text = 'must be a text or a list of texts'
  test.each(['labels', 'custom_labels'])('of %s are texts and lists of texts', (field) => {
    for (const value of [1, null, true, {}, [1], [['a']], [null]])
      expect(errorsOf({ [field]: { 'a/b': value } })).toEqual([{ pointer: `/${field}/a~1b`, detail: text }])
  })

  test('of detected_labels may be numbers and booleans too', () => {
    for (const value of [null, {}, [[]], [null]])
      expect(errorsOf({ detected_labels: { a: value } })).toEqual([
        { pointer: '/detected_labels/a', detail: 'must be a text, number, boolean or a list of them' },
      ])
  })
})

test('parameters are an object or a list', () => {
  for (const parameters of ['x', 1, true])
    expect(errorsOf({ parameters })).toEqual([
      { pointer: '/parameters', detail: 'must be an object or a list' },
    ])
})

test('a status is one of the four', () => {
  expect(errorsOf({ status: 'Active' })).toEqual([
    { pointer: '/status', detail: 'must be one of: active, disabled, deprecated, archived' },
  ])
})

test('status_reason is for a PATCH only', () => {
  expect(errorsOf({ status_reason: 'x' })).toEqual([
    { pointer: '/status_reason', detail: 'is not a known field' },
  ])
})

test('fields that clients echo back are taken and forgotten', () => {
  const echoed = {
    ...{ workflow_id: 1, created_at: 'x', updated_at: [], created_by: {}, updated_by: true },
    ...{ is_latest_version: true, previous_version: '0', total_executions: 1, successful_executions: 1 },
    ...{ expected_success_rate: 1, expected_anything: 2, actual_success_rate: 1, approved_by: 'x' },
    ...{ approved_at: 'x', disabled_at: 'x', disabled_by: 'x', disabled_reason: 'x' },
    ...{ deprecation_notice: 'x', version_notes: 'x', change_summary: 'x' },
  }
  expect(readWorkflow({ ...aWorkflow({ workflow_name: 'a' }), ...echoed })).toEqual(
    readWorkflow(aWorkflow({ workflow_name: 'a' })),
  )
})

test('every complaint comes at once, each with its place', () => {
  const { errors } = readWorkflow({ version: 'v1', labels: { a: 1 }, 'od/d': 1, odd: 2 })
  expect(errors).toEqual([
    { pointer: '/workflow_name', detail: 'is required' },
    { pointer: '/version', detail: "must be a semantic version such as '1.0.0' (no 'v')" },
    { pointer: '/name', detail: 'is required' },
    { pointer: '/description', detail: 'is required' },
    { pointer: '/content', detail: 'is required' },
    { pointer: '/execution_engine', detail: 'is required' },
    { pointer: '/labels/a', detail: 'must be a text or a list of texts' },
    { pointer: '/od~1d', detail: 'is not a known field' },
    { pointer: '/odd', detail: 'is not a known field' },
  ])
})
