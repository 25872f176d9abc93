import { startPair } from '../../src/embedded/pair.ts'

// Runs a pair until it is killed; pair.test.ts does that.
const { postgres, kafka } = await startPair({
  dataDir: process.argv[2]!,
  postgresPort: 0,
  kafkaPort: 0,
  say: () => {},
  durable: false,
})
const { ownerUrl } = postgres
process.send!({ ownerUrl, brokers: kafka.brokers, pids: [postgres.pid(), kafka.pid()] })
setInterval(() => {}, 60_000)
