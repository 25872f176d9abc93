import { Counter, collectDefaultMetrics, Gauge, Histogram, type LabelValues, Registry } from 'prom-client'

/** What begins the name of each metric that is of this service, and not of any process. */
export const METRIC_PREFIX = 'registrar_'

/** Makes the metrics of one service, and tells them in the text format of Prometheus. */
export function openInstruments() {
  const registry = new Registry()
  const common = (name: string, help: string) => ({
    name: `${METRIC_PREFIX}${name}`,
    help,
    registers: [registry],
  })

  return {
    /** The media type of `text`. */
    contentType: registry.contentType,

    text: async () => `${await registry.metrics()}\n${await processMetrics().metrics()}`,

    counter: <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Counter({ ...common(name, help), labelNames }),

    histogram: <L extends string>(
      name: string,
      help: string,
      labelNames: readonly L[],
      buckets: readonly number[],
    ) => new Histogram({ ...common(name, help), labelNames, buckets: [...buckets] }),

    /** A gauge that asks `read`, whenever it is told, for all that it says. */
    gauge<L extends string>(
      name: string,
      help: string,
      labelNames: readonly L[],
      read: () => Told<L> | Promise<Told<L>>,
    ): void {
      new Gauge({
        ...common(name, help),
        labelNames,
        async collect() {
          const told = await read()
          this.reset()
          for (const [labels, value] of told) this.set(labels, value)
        },
      })
    },
  }
}

type Told<L extends string> = Iterable<readonly [labels: LabelValues<L>, value: number]>

/** A counter that is there before there is anything to count: the first of it is an increase. */
export function atZero<C extends { inc(by?: number): void }>(counter: C): C {
  counter.inc(0)
  return counter
}

let ofProcess: Registry | undefined

/** What is told of the process and its event loop: once, however many services are in it. */
function processMetrics(): Registry {
  if (ofProcess) return ofProcess
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  // Sums of others, and gauges with the names of counters.
  for (const kind of ['handles', 'requests', 'resources'])
    registry.removeSingleMetric(`nodejs_active_${kind}_total`)
  ofProcess = registry
  return registry
}
