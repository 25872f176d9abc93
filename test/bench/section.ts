import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** Writes a section of a Markdown file anew: what is between the two comments that name it, or else at the end. */
export function writeSection(file: string, name: string, text: string): void {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const page = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  const section = `${begin}\n${text}\n${end}`
  writeFileSync(
    file,
    from >= 0 && to > from
      ? page.slice(0, from) + section + page.slice(to + end.length)
      : `${page}${page && '\n'}${section}\n`,
  )
}
