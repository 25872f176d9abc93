/** Whether this runs from a production build, where all files of a process are one. */
export const isBuilt = !import.meta.url.endsWith('.ts')

/** How a process or a tool is called here, with its arguments: npm is there with the sources alone. */
export function commandOf(name: string, args = ''): string {
  const [call, parted] = isBuilt ? [`node dist/${name}.js`, args] : [`npm run ${name}`, args && `-- ${args}`]
  return parted ? `${call} ${parted}` : call
}
