# The service alone; it joins a PostgreSQL and a Kafka that run elsewhere. Another process of it: node dist/worker.js
ARG BUILD_IMAGE=node:24-slim
ARG RUN_IMAGE=gcr.io/distroless/cc-debian12

FROM ${BUILD_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY esbuild.config.ts tsconfig.json ./
COPY drizzle drizzle
COPY src src
RUN node esbuild.config.ts

# Without a shell and without npm: Node, what it loads, the authorities it may be told to trust, and the service.
FROM ${RUN_IMAGE}
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /app/dist /app/dist
WORKDIR /app
ENV PATH=/usr/local/bin NODE_ENV=production HOST=0.0.0.0 PORT=8080 METRICS_PORT=9464
USER 65532:65532
EXPOSE 8080 9464
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["node", "dist/health.js", "live"]
CMD ["node", "dist/all-in-one.js"]
# Of this build: --build-arg REVISION="$(git rev-parse HEAD)" --build-arg CREATED="$(date -u +%Y-%m-%dT%H:%M:%SZ)"
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="workflow-registrar" \
      org.opencontainers.image.description="Registers automation workflows, and never lies about how it ended" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
