/** Whether this runs from a production build, where all files of a process are one. */
export const isBuilt = !import.meta.url.endsWith('.ts')
