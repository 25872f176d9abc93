import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { scramVerifier } from '../../src/db/scram-verifier.ts'
import { makeWorld } from '../support/world.ts'

test.each([
  'plain',
  "quo'te \\ $1",
  'pä ß 🚀 ﬁ',
  'soft\u00adhyphen',
  'no-break\u00a0space',
  '\u200b\u200d\ufeffx',
])('a role made with the verifier of %j logs in with it, and with nothing else', async (password) => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const url = new URL(world.infrastructure.databaseUrl)
  const role = url.username
  await world.owner.query(`create role ${role} login password ${pg.escapeLiteral(scramVerifier(password))}`)
  const logIn = async (word: string) => {
    url.password = encodeURIComponent(word)
    const client = new pg.Client({ connectionString: url.href })
    await client.connect()
    await client.end()
  }
  await logIn(password)
  await expect(logIn(`${password}x`)).rejects.toMatchObject({ code: '28P01' })
})
