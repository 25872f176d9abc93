import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import path from 'node:path'
import { build, type Plugin } from 'esbuild'

/**
 * The production build: `node esbuild.config.ts [FOLDER]` makes one file of each process and tool, and beside them the
 * files that they read. The folder (`dist`) can be copied anywhere, and needs nothing but Node.
 */
const PROCESSES = [
  ...['ingress', 'worker', 'all-in-one', 'migrate'],
  ...['health', 'dlq', 'progress', 'topics', 'verify-replay'],
]

/** A file of its own, which a process loads when it has to. */
const LOADED_LATER = 'tracing-sdk'

const OLDEST_NODE = 24

const inProject = (...names: string[]) => path.join(import.meta.dirname, ...names)
const inBuild = (...names: string[]) => path.resolve(process.argv[2] ?? inProject('dist'), ...names)

/** What each file begins with: the complaint about an old Node, and the names that CommonJS expects to find. */
const HEAD = `import { createRequire } from 'node:module'
if (parseInt(process.versions.node) < ${OLDEST_NODE}) {
  process.stderr.write('Node ${OLDEST_NODE} or later is needed; this is ' + process.version + '\\n')
  process.exit(1)
}
const require = createRequire(import.meta.url)
const __dirname = import.meta.dirname`

/** Has Node's own modules required: an old Node fails for an import that it does not know before it gets to the head. */
const nodeModules: Plugin = {
  name: 'modules of Node',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(`^(node:.+|${builtinModules.join('|')})$`) }, ({ kind, path }) =>
      kind === 'require-call' ? { path, external: true } : { path, namespace: 'node' },
    )
    onLoad({ filter: /.*/, namespace: 'node' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)})`,
    }))
  },
}

/** Leaves that file out of the others. */
const loadedLater: Plugin = {
  name: 'loaded later',
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`/${LOADED_LATER}\\.ts$`) }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: `./${LOADED_LATER}.js`, external: true } : undefined,
    )
  },
}

/** Has the page about HTTP look for its files in a folder of the build, where it would look in its package. */
const swaggerUi: Plugin = {
  name: 'files of Swagger UI',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]@fastify[\\/]swagger-ui[\\/].+\.js$/ }, ({ path: file }) => {
      const place = path.dirname(file.slice(file.lastIndexOf('swagger-ui')))
      const there = `require('node:path').join(__dirname, ${JSON.stringify(place)})`
      return { contents: readFileSync(file, 'utf8').replaceAll('__dirname', there) }
    })
  },
}

for (const folder of ['drizzle', 'swagger-ui']) rmSync(inBuild(folder), { recursive: true, force: true })
const { metafile } = await build({
  entryPoints: [
    ...PROCESSES.map((name) => ({ in: inProject('src', 'bin', `${name}.ts`), out: name })),
    { in: inProject('src', `${LOADED_LATER}.ts`), out: LOADED_LATER },
  ],
  outdir: inBuild(),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node16', // costs nothing, and any Node of these years can read it as far as the head
  minifySyntax: true,
  minifyWhitespace: true, // names stay as they are: a stack in the log tells something
  lineLimit: 200,
  legalComments: 'none',
  banner: { js: HEAD },
  external: ['pg-native'],
  plugins: [nodeModules, loadedLater, swaggerUi],
  logLevel: 'warning',
  metafile: true,
})
cpSync(inProject('drizzle'), inBuild('drizzle'), { recursive: true })
cpSync(inProject('node_modules/@fastify/swagger-ui/static'), inBuild('swagger-ui', 'static'), {
  recursive: true,
})
writeFileSync(inBuild('package.json'), '{ "type": "module" }\n')
writeFileSync(
  inBuild('sbom.cdx.json'),
  `${JSON.stringify(billOfMaterials(Object.keys(metafile.inputs)), undefined, 2)}\n`,
)

/** What these files are, the packages that they are made of, and the Node that the image carries, as CycloneDX lists them. */
function billOfMaterials(files: readonly string[]) {
  const folders = files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? [])
  const packages = [...new Set(folders)].sort().map((folder) => component('library', folder))
  const node = { type: 'platform', name: 'node', version: process.versions.node }
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: component('application', inProject()) },
    components: [{ ...node, purl: `pkg:generic/node@${node.version}` }, ...packages],
  }
}

function component(type: string, folder: string) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
  return { type, name, version, purl, licenses: [{ expression: license }] }
}
