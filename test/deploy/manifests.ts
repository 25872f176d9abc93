import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseAllDocuments } from 'yaml'

export const FOLDER = path.join(import.meta.dirname, '../../deploy/kubernetes')

const inFolder = readdirSync(FOLDER).sort()

/** Says which manifests there are; none itself. */
export const KUSTOMIZATION = 'kustomization.yaml'

/** The files of the manifests. */
export const FILES = inFolder.filter((file) => file !== KUSTOMIZATION)

/** All that is declared in a file. */
export function declaredIn(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(path.join(FOLDER, file), 'utf8')).map((document) => document.toJS())
}

/** What the checks look at. Their shape is what Kubernetes' own schemas say. */
export interface Manifest {
  kind: string
  metadata: { name: string; labels?: Texts; annotations?: Texts }
  data?: Texts
  stringData?: Texts
  spec?: Partial<{
    replicas: number
    selector: { matchLabels?: Texts } | Texts
    strategy: { rollingUpdate: Record<string, unknown> }
    template: { metadata: Manifest['metadata']; spec: Pod }
    ports: { port: number; targetPort: string }[]
    podSelector: { matchLabels: Texts }
    maxUnavailable: number
  }>
}

export interface Pod {
  serviceAccountName: string
  automountServiceAccountToken: boolean
  terminationGracePeriodSeconds?: number
  securityContext: Record<string, unknown>
  topologySpreadConstraints?: { labelSelector: { matchLabels: Texts } }[]
  containers: Container[]
}

export interface Container {
  name: string
  image: string
  command: string[]
  env?: { name: string }[]
  envFrom: { configMapRef?: { name: string }; secretRef?: { name: string } }[]
  ports?: { name: string; containerPort: number }[]
  startupProbe?: Probe
  livenessProbe?: Probe
  readinessProbe?: Probe
  lifecycle?: { preStop: { sleep: { seconds: number } } }
  resources: { requests: Texts; limits: Texts }
  securityContext: Record<string, unknown>
}

interface Probe {
  httpGet: { path: string; port: string }
}

type Texts = Record<string, string>

export const MANIFESTS = FILES.flatMap(declaredIn)

export interface Workload {
  name: string
  kind: string
  labels: Texts
  pod: Pod
  container: Container
  /** What its process finds in its environment. */
  env: Texts
}

/** Whatever runs a process. */
export const WORKLOADS: Workload[] = MANIFESTS.flatMap(({ kind, metadata, spec }) => {
  const pod = spec?.template?.spec
  const container = pod?.containers[0]
  if (!pod || !container) return []
  const labels = spec.template?.metadata.labels ?? {}
  return [{ name: metadata.name, kind, labels, pod, container, env: environmentOf(container) }]
})

function environmentOf({ envFrom }: Container): Texts {
  const sources = envFrom.map(({ configMapRef, secretRef }) => {
    const [kind, ref] = configMapRef ? ['ConfigMap', configMapRef] : ['Secret', secretRef]
    const found = MANIFESTS.find((one) => one.kind === kind && one.metadata.name === ref?.name)
    if (!found) throw new Error(`There is no ${kind} ${ref?.name}`)
    return found.data ?? found.stringData ?? {}
  })
  return Object.assign({}, ...sources)
}
