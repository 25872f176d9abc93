type Cell = string | number | bigint | null | undefined

/** Columns in line, numbers to the right; what is not there is a dash. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const lines = [head, ...rows.map((row) => row.map((cell) => String(cell ?? '-')))]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const isText = head.map((_, column) => rows.some((row) => typeof row[column] === 'string'))
  const align = (cell: string, column: number) =>
    isText[column] ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
  return lines.map((line) => line.map(align).join('  ').trimEnd()).join('\n')
}

/** A line on a terminal that is written over again and again; nothing elsewhere. */
export function progressLine() {
  const write = (text: string) => process.stdout.isTTY && process.stdout.write(text)
  return {
    show: (text: string) => write(`\r\x1b[K${text}`),
    clear: () => write('\r\x1b[K'),
  }
}

/** A text that somebody else chose, on one line: no control characters, nothing invisible, and not too long. */
export function printable(text: string): string {
  const shown = text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '�')
  return shown.length > 80 ? `${shown.slice(0, 79)}…` : shown
}
