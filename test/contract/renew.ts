import { writeFileSync } from 'node:fs'
import {
  ASYNCAPI_SNAPSHOT,
  CLIENT_TYPES,
  makeAsyncApiSnapshot,
  makeClientTypes,
  makeSnapshot,
  SNAPSHOT,
} from './generate.ts'

const snapshot = makeSnapshot()
writeFileSync(SNAPSHOT, snapshot)
writeFileSync(CLIENT_TYPES, await makeClientTypes(snapshot))
writeFileSync(ASYNCAPI_SNAPSHOT, makeAsyncApiSnapshot())
