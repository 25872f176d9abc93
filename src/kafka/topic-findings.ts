import { LIMITS } from '../domain/limits.ts'
import { DAY_MS } from '../retention.ts'
import type { TopicState } from './topic-state.ts'
import type { TopicNames, TopicPlan, TopicsFound } from './topics.ts'

/** Something about a topic that breaks a promise of this service, now or on a bad day. */
export interface Finding {
  topic: string
  /** What is set, what it leads to, and what to do about it. */
  sentence: string
}

export const findingLine = ({ topic, sentence }: Finding) => `${topic}: ${sentence}`

/** What is wrong with the topics that are there, and which of the other topics for replies are not. */
export function topicFindings({ plans, states, missing }: TopicsFound): Finding[] {
  const own = plans.flatMap((plan) => {
    const state = states.get(plan.topic)
    return state ? findingsOf(plan, state) : []
  })
  const replies = plans.find(({ role }) => role === 'replies')?.topic
  const others = missing
    .filter((name) => !plans.some(({ topic }) => topic === name))
    .map((topic) => ({
      topic,
      sentence: `not there, or not for this client to see: replies that ask for it go to ${replies}; make it, or take it out of ALLOWED_REPLY_TOPICS`,
    }))
  const tooSmall = smallDeadLetters(plans, states)
  return [...own, ...(tooSmall ? [tooSmall] : []), ...others]
}

function findingsOf(plan: TopicPlan, state: TopicState): Finding[] {
  const { topic } = plan
  const sentences = state.untold
    ? [
        `the brokers do not tell its settings (${state.untold}), so they are not checked: allow this client DescribeConfigs on the topic`,
      ]
    : CHECKS.map((check) => check(plan, state))
  return [tooFewReplicas(plan, state), ...sentences].flatMap((sentence) =>
    sentence ? { topic, sentence } : [],
  )
}

type Check = (plan: TopicPlan, state: TopicState) => string | undefined

const CHECKS: readonly Check[] = [
  shortRetention,
  limitedSize,
  compacted,
  tooFewInSync,
  tooManyInSync,
  smallRequests,
  uncleanElection,
]

/** What happens to records that are gone too soon. */
const LOSS: Readonly<Record<keyof TopicNames, string>> = {
  requests: 'a request that waits longer is lost',
  replies: 'a listener that is away longer misses replies',
  deadLetters: 'a dead letter is gone before somebody looks',
}

const PROMISED_BY: Readonly<Record<keyof TopicNames, string>> = {
  requests: 'TOPIC_RETENTION_DAYS',
  replies: 'TOPIC_RETENTION_DAYS',
  deadLetters: 'DEAD_LETTER_RETENTION_DAYS',
}

function tooFewReplicas({ replicas: planned }: TopicPlan, { replicas }: TopicState): string | undefined {
  if (replicas >= planned) return undefined
  return `there ${replicas === 1 ? 'is' : 'are'} ${amount(replicas, 'replica')} where ${planned} are sound: records are lost with the disks of ${replicas === 1 ? 'one broker' : `${replicas} brokers`}; give it more with kafka-reassign-partitions`
}

function shortRetention({ role, settings }: TopicPlan, state: TopicState): string | undefined {
  const kept = numberIn(state, 'retention.ms')
  const promised = Number(settings['retention.ms'])
  if (kept === undefined || kept < 0 || kept >= promised) return undefined
  return `retention.ms is ${kept}, less than the ${promised / DAY_MS} days of ${PROMISED_BY[role]}: ${LOSS[role]}; ${remedy('retention.ms', promised)}`
}

function limitedSize({ role }: TopicPlan, state: TopicState): string | undefined {
  const bytes = numberIn(state, 'retention.bytes')
  if (bytes === undefined || bytes < 0) return undefined
  return `retention.bytes is ${bytes}, so a partition that grows beyond that loses its oldest records however young they are: ${LOSS[role]}; ${remedy('retention.bytes', -1)}`
}

function compacted(_: TopicPlan, state: TopicState): string | undefined {
  const policy = state.settings.get('cleanup.policy')
  if (!policy?.split(',').includes('compact')) return undefined
  return `cleanup.policy is ${policy}: of the records with one workflow name only the last is kept, and one without a key is refused; ${remedy('cleanup.policy', 'delete')}`
}

function tooFewInSync(_: TopicPlan, state: TopicState): string | undefined {
  const inSync = numberIn(state, 'min.insync.replicas')
  if (inSync === undefined || inSync >= 2 || state.replicas < 3) return undefined
  return `min.insync.replicas is ${inSync} of ${state.replicas} replicas: a record counts as safe when one broker has it, and is lost with that broker; ${remedy('min.insync.replicas', 2)}`
}

function tooManyInSync({ settings }: TopicPlan, state: TopicState): string | undefined {
  const inSync = numberIn(state, 'min.insync.replicas')
  if (inSync === undefined || inSync <= state.replicas) return undefined
  const sound = Math.min(state.replicas, Number(settings['min.insync.replicas']))
  return `min.insync.replicas is ${inSync}, but there ${state.replicas === 1 ? 'is' : 'are'} ${amount(state.replicas, 'replica')}: older brokers then take no record at all; ${remedy('min.insync.replicas', sound)}`
}

/** Of the headers and the key of a request, and the frame of a batch around them. */
const HEADER_BYTES = 16 * 1024

function smallRequests({ role, settings }: TopicPlan, state: TopicState): string | undefined {
  if (role !== 'requests') return undefined
  const limit = numberIn(state, 'max.message.bytes')
  const needed = LIMITS.bytes + HEADER_BYTES
  if (limit === undefined || limit >= needed) return undefined
  return `max.message.bytes is ${limit}, and a request may take ${needed}: large ones cannot be sent; ${remedy('max.message.bytes', settings['max.message.bytes'] ?? needed)}`
}

function uncleanElection(_: TopicPlan, state: TopicState): string | undefined {
  if (state.settings.get('unclean.leader.election.enable') !== 'true') return undefined
  return `unclean.leader.election.enable is true: a broker that is behind may become leader, and records that were acknowledged are lost; ${remedy('unclean.leader.election.enable', false)}`
}

function smallDeadLetters(
  plans: readonly TopicPlan[],
  states: ReadonlyMap<string, TopicState>,
): Finding | undefined {
  const limitOf = (role: keyof TopicNames) => {
    const plan = plans.find((one) => one.role === role)
    const state = plan && states.get(plan.topic)
    const limit = state && numberIn(state, 'max.message.bytes')
    return plan && limit !== undefined ? { plan, limit } : undefined
  }
  const requests = limitOf('requests')
  const letters = limitOf('deadLetters')
  if (!requests || !letters || letters.limit >= requests.limit) return undefined
  const sound = Math.max(Number(letters.plan.settings['max.message.bytes']), requests.limit)
  return {
    topic: letters.plan.topic,
    sentence: `max.message.bytes is ${letters.limit}, less than the ${requests.limit} of ${requests.plan.topic}: a dead letter may have to go without its value; ${remedy('max.message.bytes', sound)}`,
  }
}

function numberIn({ settings }: TopicState, name: string): number | undefined {
  const value = settings.get(name)
  return value === undefined ? undefined : Number(value)
}

const remedy = (name: string, value: string | number | boolean) =>
  `set ${name}=${value} (kafka-configs --alter)`

const amount = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
