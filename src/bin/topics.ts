import { commandOf } from '../built.ts'
import { closeStack } from '../close-stack.ts'
import { kafkaClient } from '../kafka/client.ts'
import { findingLine, topicFindings } from '../kafka/topic-findings.ts'
import { findTopics, type TopicsFound } from '../kafka/topics.ts'
import { inDays } from '../retention.ts'
import { purgedTooSoon } from '../topics-at-start.ts'
import { table } from './terminal.ts'
import { runTool, UsageError } from './tool.ts'

const ABOUT = `Makes the topics that are missing, with sound settings, and says what is unsafe about those that are there.
It changes no topic that is there, and makes no topic of ALLOWED_REPLY_TOPICS: those belong to others.

  ${commandOf('topics', '[--check] [--strict]')}

  --check   makes nothing; the exit code is 1 when a topic is missing
  --strict  the exit code is 1 when something is unsafe (as with TOPICS_STRICT=true)
  --help    this text

Examples:

  ${commandOf('topics')}
      makes what is missing, and shows all
  ${commandOf('topics', '--check --strict')}
      for a pipeline: exit code 0 when all is there and sound
  TOPIC_PARTITIONS=24 TOPIC_RETENTION_DAYS=14 ${commandOf('topics')}
      makes the missing ones with 24 partitions, and so that they keep their records for 14 days`

await runTool({
  about: ABOUT,
  options: {
    check: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
  },
  async main({ config, infrastructure, values, positionals, log, say }) {
    if (positionals.length > 0) throw new UsageError('It takes no words, only options; --help tells more')
    const { topics, requestRetentionDays: days } = config
    const opened = closeStack()
    try {
      const admin = kafkaClient(infrastructure.kafka, 'workflow-registrar-topics', log).admin()
      opened.add(() => admin.disconnect())
      await admin.connect()
      const found = await findTopics(admin, topics, { make: !values.check })
      const complaint = purgedTooSoon(days, topics.requests, found)
      const findings = [
        ...topicFindings(found),
        ...(complaint ? [{ topic: topics.requests, sentence: complaint }] : []),
      ]
      say(tableOf(found))
      if (findings.length > 0) say(`\n${findings.map(findingLine).join('\n')}`)
      const isIncomplete = values.check && found.missing.length > 0
      const isStrict = values.strict || topics.strict
      return isIncomplete || (isStrict && findings.length > 0) ? 1 : 0
    } finally {
      await opened.close()
    }
  },
})

function tableOf({ states, made, missing }: TopicsFound): string {
  const there = [...states].map(([topic, { partitions, replicas, settings }]) => [
    ...[topic, made.includes(topic) ? 'made' : 'there', partitions, replicas],
    ...[settings.get('min.insync.replicas'), retention(settings.get('retention.ms'))],
    settings.get('cleanup.policy'),
  ])
  const absent = missing.map((topic) => [topic, 'missing', ...Array<undefined>(5)])
  return table(
    ['topic', 'state', 'partitions', 'replicas', 'min.insync', 'retention', 'cleanup'],
    [...there, ...absent],
  )
}

function retention(ms: string | undefined): string | undefined {
  if (ms === undefined) return undefined
  if (ms === '-1') return 'for ever'
  return inDays(Number(ms))
}
