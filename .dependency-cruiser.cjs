const from = (path, to, comment) => ({
  name: comment.toLowerCase().replaceAll(/[^a-z]+/g, '-'),
  comment,
  severity: 'error',
  from: { path },
  to,
})

module.exports = {
  forbidden: [
    from('^src/domain', { path: '^src/(?!domain)' }, 'The domain imports nothing of ours but itself'),
    from('^src/domain', { path: 'node_modules', pathNot: 'node_modules/zod' }, 'The domain needs zod only'),
    from('^src/db', { path: '^src/(http|kafka|embedded|bin)' }, 'The database side sees no other side'),
    from('^src/kafka', { path: '^src/(http|db|embedded|bin)' }, 'The Kafka side sees no other side'),
    from('^src/embedded', { path: '^src/(?!embedded)' }, 'The embedded servers know nothing of the service'),
    from(
      '^src/(?!bin)',
      { path: '^src/(bin|embedded)', pathNot: '^src/embedded' },
      'Nothing imports a process',
    ),
    from('^src/(?!bin|embedded)', { path: '^src/embedded' }, 'Only processes start embedded servers'),
    from(
      '^src/(?!kafka|reached-kafka|request-log|topics-at-start)',
      { path: 'node_modules/kafkajs' },
      'Only the Kafka side sees kafkajs',
    ),
    from(
      '^src/(?!db|embedded)',
      { path: 'node_modules/(pg|drizzle-orm)/' },
      'Only the database side sees pg and Drizzle',
    ),
    from('^src/(?!tracing-sdk)', { path: 'node_modules/@opentelemetry' }, 'Only one file sees OpenTelemetry'),
    from(
      '^src',
      { path: '^src/tracing-sdk', dynamic: false },
      'That file is loaded only where something is traced',
    ),
    from('^src/client', { path: '^src/(?!client)' }, 'The client imports nothing of ours but itself'),
    from(
      '^src/client',
      { path: 'node_modules|^node:', pathNot: 'node_modules/openapi-fetch' },
      'The client needs openapi-fetch only',
    ),
    from('^src', { path: '^test' }, 'The product does not import its tests'),
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['node', 'import', 'require', 'default'],
    },
  },
}
