import { inspect } from './leaks.ts'

/** One line of the text format of Prometheus. */
export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

/** All that Prometheus would read from this text. */
export function readSamples(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const {
        name,
        labels = '',
        value,
      } = /^(?<name>\w+)(?:\{(?<labels>.*)\})? (?<value>\S+)$/.exec(line)!.groups!
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [
        label!,
        text!,
      ])
      return { name: name!, labels: Object.fromEntries(pairs), value: Number(value) }
    })
}

/** The value of the one sample with exactly these labels. */
export function valueIn(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const wanted = JSON.stringify(Object.entries(labels).sort())
  return samples.find(
    (sample) => sample.name === name && JSON.stringify(Object.entries(sample.labels).sort()) === wanted,
  )?.value
}

/** What a service tells at this URL now. */
export async function scrape(url: string): Promise<Sample[]> {
  const response = await fetch(url)
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
  return readSamples(await response.text())
}

/** Looks into what a service tells at this URL, unless it is gone. */
export async function inspectMetrics(url: string): Promise<void> {
  const text = await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    (answer) => answer.text(),
    () => undefined,
  )
  if (text !== undefined) inspect('metrics', text)
}
