import broker from 'kafkajs/src/broker/index.js'
import { mend } from './mend.ts'

/** As much of a broker of kafkajs as is mended here. */
interface Broker {
  /** Connects, and asks what the broker understands. */
  connect(): Promise<void>
  /** What it understands; null while it has not said so. */
  versions: object | null
  connectionPool: { destroy(): Promise<void> }
}

/**
 * Has a broker of kafkajs 2.2.4 begin anew when it could not be connected to. By itself it keeps the connection on which
 * it was not told what the broker understands, takes it for a good one at the next try, and can ask nothing on it.
 */
export function mendBrokers(): void {
  mend('brokers', () => {
    const { prototype }: { prototype: Broker } = broker
    const connect = prototype.connect
    prototype.connect = async function () {
      try {
        await connect.call(this)
      } catch (error) {
        const isAnothers = (error as Error).name === 'KafkaJSLockTimeout' // who is still connecting
        if (!isAnothers && !this.versions) await this.connectionPool.destroy().catch(() => {})
        throw error
      }
    }
  })
}
