import { type Html, html } from './html.ts'

/** Markdown as HTML, as far as our own texts go: headings of one level, paragraphs, lists, blocks of code, and code in a line. */
export function markdown(text: string): Html {
  return html`${blocksOf(text).map(block)}`
}

/** A line of it, in which only code is marked. */
export function line(text: string): Html {
  return html`${text.split('`').map((part, index) => (index % 2 === 0 ? part : html`<code>${part}</code>`))}`
}

/** What may be the target of a link to a heading. */
export const anchorOf = (heading: string) => heading.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')

/** The headings, in order. */
export function headingsOf(text: string): string[] {
  return blocksOf(text).flatMap((one) => (one.startsWith(HEADING) ? one.slice(HEADING.length) : []))
}

const HEADING = '## '
const ITEM = '- '
const FENCE = '```'

function blocksOf(text: string): string[] {
  return text.trim().split(/\n{2,}/)
}

function block(text: string): Html {
  const lines = text.split('\n')
  if (text.startsWith(HEADING)) {
    const heading = text.slice(HEADING.length)
    return html`<h2 id="${anchorOf(heading)}">${line(heading)}</h2>\n`
  }
  if (text.startsWith(FENCE)) return html`<pre><code>${lines.slice(1, -1).join('\n')}</code></pre>\n`
  if (text.startsWith(ITEM))
    return html`<ul>${lines.map((item) => html`<li>${line(item.slice(ITEM.length))}</li>\n`)}</ul>\n`
  return html`<p>${line(text)}</p>\n`
}
