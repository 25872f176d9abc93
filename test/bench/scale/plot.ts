import { median } from '../figure.ts'
import { coresBusy } from './page.ts'
import type { CatalogCost, DrainedBy, ScaleResult } from './result.ts'
import { grouped, rowsShort } from './units.ts'

const WIDTH = 1_000
const HEIGHT = 460

/** The area between the axes of a plot. */
interface Area {
  left: number
  top: number
  width: number
  height: number
}

const RATES: Area = { left: 66, top: 92, width: 160, height: 290 }
const CORES: Area = { left: 300, top: 92, width: 160, height: 290 }
const COSTS: Area = { left: 566, top: 92, width: 236, height: 290 }

/** What is drawn of a catalog, in this order. */
const LINES: readonly { label: string; of: (catalog: CatalogCost) => number | undefined; color: string }[] = [
  { label: 'list by a label of none', of: read('list: by a label of none'), color: 'c1' },
  { label: 'list by a label of 1 in 10 000', of: read('list: by a label of 1 in 10 000'), color: 'c2' },
  { label: 'latest of 1 000 versions', of: read('latest of the name with 1 000'), color: 'c3' },
  { label: 'list: first page', of: read('list: first page'), color: 'c4' },
  { label: 'latest of 10 versions', of: read('latest of a name with 10'), color: 'c5' },
  { label: 'status of a request', of: read('status of a request'), color: 'c6' },
  { label: 'storing one request', of: storing(1), color: 'c7' },
  { label: 'storing 500, of each', of: storing(500), color: 'c8' },
]

const STYLE = `
  svg { font: 12px system-ui, sans-serif; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --paper: #ffffff;
    --c1: #cf222e; --c2: #bc4c00; --c3: #9a6700; --c4: #1a7f37; --c5: #0a7a8a; --c6: #0969da; --c7: #8250df; --c8: #bf3989 }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #f0f6fc; --soft: #9198a1; --line: #3d444d; --paper: #0d1117;
      --c1: #ff7b72; --c2: #ffa657; --c3: #e3b341; --c4: #56d364; --c5: #39c5cf; --c6: #79c0ff; --c7: #d2a8ff; --c8: #ff9bce }
  }
  .paper { fill: var(--paper) } text { fill: var(--ink) } .soft { fill: var(--soft) } .title { font-weight: 600; font-size: 14px }
  .axis { stroke: var(--soft) } .grid { stroke: var(--line) } .limit { stroke: var(--ink); stroke-dasharray: 4 3 }
  .whisker { stroke: var(--ink); stroke-width: 1.5 } .end { text-anchor: end } .middle { text-anchor: middle }
  ${[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `.c${n} { --own: var(--c${n}) }`).join(' ')}
  .bar, .dot { fill: var(--own) } .curve { fill: none; stroke: var(--own); stroke-width: 2 } .leader { stroke: var(--own); opacity: 0.5 }`

/** A picture of the results, in SVG: readable on light and on dark pages. */
export function plotOf(result: ScaleResult): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title">
<title id="title">What more workers and a larger catalog cost</title>
<style>${STYLE}</style>
<rect class="paper" width="${WIDTH}" height="${HEIGHT}" rx="8"/>
${rates(result.workers)}
${cores(result)}
${costs(result.catalogs)}
</svg>
`
}

function rates(workers: readonly DrainedBy[]): string {
  const most = Math.max(...workers.flatMap(({ rowsPerSecond }) => rowsPerSecond))
  const step = niceStep(most / 5)
  const y = linear(RATES, Math.ceil(most / step) * step)
  const bars = workers.map(({ rowsPerSecond }, n) => {
    const x = RATES.left + ((n + 0.5) * RATES.width) / workers.length
    const [low, middle, high] = [
      Math.min(...rowsPerSecond),
      median(rowsPerSecond),
      Math.max(...rowsPerSecond),
    ]
    return [
      bar('c6', x, y(middle), y(0)),
      line('whisker', x, y(low), x, y(high)),
      text('middle', x, y(high) - 8, grouped(middle)),
    ].join('\n')
  })
  return [
    text('title', 20, 32, 'Drained from 12 partitions'),
    text('soft', 20, 52, 'rows/s; medians, min to max'),
    ...gridOf(RATES, y, step, Math.ceil(most / step), grouped),
    ...bars,
    ...workerNames(RATES, workers),
  ].join('\n')
}

const SHARES = [
  { of: 'workers', name: 'workers', color: 'c6' },
  { of: 'postgres', name: 'PostgreSQL', color: 'c4' },
  { of: 'kafka', name: 'Kafka', color: 'c2' },
] as const

function cores({ cores: all, workers }: ScaleResult): string {
  const y = linear(CORES, Math.ceil(all * 1.25 * 2) / 2)
  const bars = workers.flatMap((drained, n) => {
    const x = CORES.left + ((n + 0.5) * CORES.width) / workers.length
    let below = 0
    return SHARES.map(({ of, color }) => {
      const start = below
      below += coresBusy(drained, of)
      return bar(color, x, y(below), y(start), 26)
    })
  })
  const names = SHARES.map(({ name, color }, n) => {
    const x = CORES.left + [0, 68, 160][n]!
    return `<rect class="bar ${color}" x="${x}" y="62" width="9" height="9"/>${text('soft', x + 13, 71, name)}`
  })
  return [
    text('title', CORES.left - 26, 32, 'Cores that were busy'),
    text('soft', CORES.left - 26, 52, `of ${all}, for all that runs there`),
    ...names.map((name) => `<g transform="translate(-26 0)">${name}</g>`),
    ...gridOf(CORES, y, 0.5, Math.ceil(all * 1.25 * 2), (value) => value.toFixed(1)),
    ...bars,
    line('limit', CORES.left, y(all), CORES.left + CORES.width, y(all)),
    ...workerNames(CORES, workers),
  ].join('\n')
}

function costs(catalogs: readonly CatalogCost[]): string {
  const drawn = LINES.map((line) => ({
    ...line,
    points: catalogs.map((catalog) => line.of(catalog) ?? Number.NaN),
  }))
  const values = drawn.flatMap(({ points }) => points)
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.ceil(Math.log10(Math.max(...values)))
  const y = (value: number) => COSTS.top + COSTS.height * (1 - (Math.log10(value) - low) / (high - low))
  const [first, last] = [catalogs[0]!.rows, catalogs.at(-1)!.rows]
  const x = (rows: number) =>
    COSTS.left + 12 + (COSTS.width - 24) * (Math.log(rows / first) / Math.log(last / first))
  const right = COSTS.left + COSTS.width
  const decades = Array.from({ length: high - low + 1 }, (_, n) => 10 ** (low + n))
  const labels = spread(
    drawn.map(({ points }) => y(points.at(-1)!)),
    17,
  )
  return [
    text('title', COSTS.left - 46, 32, 'What a catalog costs as it grows'),
    text('soft', COSTS.left - 46, 52, 'ms, medians; both axes logarithmic'),
    ...decades.flatMap((value) => [
      line('grid', COSTS.left, y(value), right, y(value)),
      text(
        'soft end',
        COSTS.left - 8,
        y(value) + 4,
        value < 1 ? String(Number(value.toPrecision(1))) : grouped(value),
      ),
    ]),
    ...drawn.flatMap(({ points, color, label }, n) => [
      `<polyline class="curve ${color}" points="${points.map((ms, at) => `${round(x(catalogs[at]!.rows))},${round(y(ms))}`).join(' ')}"/>`,
      ...points.map(
        (ms, at) =>
          `<circle class="dot ${color}" cx="${round(x(catalogs[at]!.rows))}" cy="${round(y(ms))}" r="3"/>`,
      ),
      `<g class="${color}">${line('leader', x(last) + 5, y(points.at(-1)!), right + 10, labels[n]!)}</g>`,
      text('', right + 14, labels[n]! + 4, label),
    ]),
    line('axis', COSTS.left, COSTS.top + COSTS.height, right, COSTS.top + COSTS.height),
    ...catalogs.map(({ rows }) => text('middle', x(rows), COSTS.top + COSTS.height + 20, rowsShort(rows))),
    text(
      'soft middle',
      COSTS.left + COSTS.width / 2,
      COSTS.top + COSTS.height + 42,
      'workflows in the catalog',
    ),
  ].join('\n')
}

function read(name: string) {
  return ({ reads }: CatalogCost) => reads.find((one) => one.name === name)?.ms
}

function storing(chunk: number) {
  return ({ storing }: CatalogCost) => storing.find((one) => one.chunk === chunk)?.ms
}

function workerNames({ left, top, width, height }: Area, workers: readonly DrainedBy[]): string[] {
  const bottom = top + height
  return [
    line('axis', left, bottom, left + width, bottom),
    ...workers.map((drained, n) =>
      text('middle', left + ((n + 0.5) * width) / workers.length, bottom + 20, String(drained.workers)),
    ),
    text('soft middle', left + width / 2, bottom + 42, 'worker processes'),
  ]
}

function gridOf(
  { left, width }: Area,
  y: (value: number) => number,
  step: number,
  steps: number,
  format: (value: number) => string,
): string[] {
  return Array.from({ length: steps + 1 }, (_, n) => n * step).flatMap((value) => [
    line('grid', left, y(value), left + width, y(value)),
    text('soft end', left - 8, y(value) + 4, format(value)),
  ])
}

const linear =
  ({ top, height }: Area, most: number) =>
  (value: number) =>
    top + height * (1 - value / most)

/** 1, 2 or 5 times a power of ten, and not less. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= least) ?? least
}

/** As near to these as they can be with so much between each two. */
function spread(wanted: readonly number[], apart: number): number[] {
  const places = [...wanted]
  const order = places.map((_, n) => n).sort((a, b) => wanted[a]! - wanted[b]!)
  for (let pass = 0; pass < 200; pass += 1)
    for (const [n, below] of order.entries()) {
      const above = order[n - 1]
      if (above === undefined) continue
      const missing = apart - (places[below]! - places[above]!)
      if (missing > 0) {
        places[above]! -= missing / 2
        places[below]! += missing / 2
      }
    }
  return places
}

const round = (value: number) => Number(value.toFixed(1))

function bar(color: string, x: number, top: number, bottom: number, width = 34): string {
  return `<rect class="bar ${color}" x="${round(x - width / 2)}" y="${round(top)}" width="${width}" height="${round(bottom - top)}"/>`
}

function line(className: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${className}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`
}

function text(className: string, x: number, y: number, words: string): string {
  return `<text class="${className}" x="${round(x)}" y="${round(y)}">${words}</text>`
}
