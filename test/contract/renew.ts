import { writeFileSync } from 'node:fs'
import { CLIENT_TYPES, makeClientTypes, makeSnapshot, SNAPSHOT } from './generate.ts'

const snapshot = makeSnapshot()
writeFileSync(SNAPSHOT, snapshot)
writeFileSync(CLIENT_TYPES, await makeClientTypes(snapshot))
