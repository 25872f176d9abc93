import brokerPool from 'kafkajs/src/cluster/brokerPool.js'
import { kafkaRefusal } from './failure.ts'
import { mend } from './mend.ts'

type Ask = (one: { nodeId: string; broker: unknown }) => Promise<unknown>

/** As much of the pool of brokers of kafkajs as is mended here. */
interface BrokerPool {
  /** Asks one broker after the other; null when none answered as it should. */
  withBroker(ask: Ask): Promise<unknown>
}

/**
 * Has kafkajs 2.2.4 tell that a broker refuses what it is asked. By itself it takes a refusal for silence: a group that
 * one may not use is never found, for as long as one looks.
 */
export function mendBrokerPool(): void {
  mend('broker pool', () => {
    const { prototype }: { prototype: BrokerPool } = brokerPool
    const askEach = prototype.withBroker
    prototype.withBroker = async function (ask) {
      let refusal: unknown
      const answer = await askEach.call(this, async (one) => {
        try {
          return await ask(one)
        } catch (error) {
          if (kafkaRefusal(error)) refusal = error
          throw error
        }
      })
      if (answer === null && refusal) throw refusal
      return answer
    }
  })
}
