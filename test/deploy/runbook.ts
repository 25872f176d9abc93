import { readFileSync } from 'node:fs'
import path from 'node:path'

export const RUNBOOK = readFileSync(path.join(import.meta.dirname, '../../deploy/RUNBOOK.md'), 'utf8')

/** The headings of the runbook, each with what stands below it up to the next one. */
export const SECTIONS: ReadonlyMap<string, string> = new Map(
  RUNBOOK.split(/^##+ /m)
    .slice(1)
    .map((section) => {
      const [heading = '', ...lines] = section.split('\n')
      return [heading, lines.join('\n')]
    }),
)

/** The commands of a section, as they stand there: what somebody would paste into a shell. */
export function commandsIn(heading: string): string[] {
  const section = SECTIONS.get(heading)
  if (section === undefined) throw new Error(`The runbook has no section ${heading}`)
  return [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands]) => commands!)
}

/** Each line of commands by itself, and one that searches for alternatives once for each of them. */
export function eachAlternative(commands: string): string[] {
  const lines = commands.split('\n').filter((line) => line !== '')
  return lines.flatMap((line) => {
    const [, before, alternatives, after] = /^(.* grep -E '[^'(|]*)\(([^'()]*)\)([^'(|]*')$/.exec(line) ?? []
    if (alternatives) return alternatives.split('|').map((one) => `${before}${one}${after}`)
    if (line.includes('grep -E')) throw new Error(`Not understood: ${line}`)
    return [line]
  })
}
