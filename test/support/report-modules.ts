import { writeSync } from 'node:fs'
import { registerHooks } from 'node:module'

/*
 * For `node --import`: each package that the process loads is a line on standard error, `loaded <name>`, when it is loaded
 * first.
 */
const told = new Set<string>()

registerHooks({
  load(url, context, next) {
    const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]
    if (name !== undefined && !told.has(name)) {
      told.add(name)
      writeSync(2, `loaded ${name}\n`)
    }
    return next(url, context)
  },
})
