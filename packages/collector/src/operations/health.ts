import { timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import type { TouchpointBuffer } from '../buffer/buffer.ts';
import { Problem } from '../problems.ts';
import type { Metrics } from './metrics.ts';

export type OperationsOptions = {
  pool: Pool;
  buffer: TouchpointBuffer | null;
  metrics: Metrics;
  metricsToken: string | undefined;
  /** Whether the writer's loop runs; absent where this process has no such role. */
  isWriting?: (() => boolean) | undefined;
};

// What a probe finds holds this long, so that probing costs nothing however often it is asked.
const probeLifetimeMs = 500;
const probeTimeoutMs = 2_000;

/** `/healthz`: the process answers. `/readyz`: it can do its work. `/metrics`: its figures, for Prometheus. */
export async function operations(app: FastifyInstance, options: OperationsOptions): Promise<void> {
  const { pool, buffer, metrics, metricsToken, isWriting } = options;

  app.get('/healthz', async () => ({ status: 'ok' }));

  const probe = remembered(probeLifetimeMs, async () => ({
    ...(buffer && { buffer: await works(buffer.check()) }),
    database: await works(pool.query({ text: 'select 1', query_timeout: probeTimeoutMs } as never)),
    ...(isWriting && { writer: isWriting() }),
  }));
  app.get('/readyz', async (_request, reply) => {
    const checks = await probe();
    const isReady = Object.values(checks).every(Boolean);
    reply.code(isReady ? 200 : 503);
    if (!isReady) reply.header('retry-after', '5');
    return { status: isReady ? 'ready' : 'not ready', checks };
  });

  app.get('/metrics', async (request, reply) => {
    if (!mayReadMetrics(request, metricsToken)) {
      throw new Problem(
        'forbidden',
        'The figures are open to this machine alone, unless METRICS_TOKEN is set: then send it as Authorization: Bearer.',
      );
    }
    if (buffer) metrics.observeDepth(buffer.depth(), Date.now());
    await observeDerivation(pool, metrics);
    reply.header('content-type', metrics.registry.contentType);
    return await metrics.registry.metrics();
  });
}

/**
 * Writes down what waits for derivation, and when each site was heard of last. The lag is not a number while PostgreSQL does
 * not answer: Prometheus knows it, and the other figures matter most just then.
 */
async function observeDerivation(pool: Pool, metrics: Metrics): Promise<void> {
  const ask = async <Row extends object>(text: string) =>
    (await pool.query<Row>({ text, query_timeout: probeTimeoutMs } as { text: string })).rows;
  try {
    const [queue] = await ask<{ lag: number; waiting: number }>(waitingTouchpoints);
    metrics.deriveLag.set(queue?.lag ?? 0);
    metrics.deriveWaiting.set(queue?.waiting ?? 0);
    const sites = await ask<{ site_id: string; newest: number }>(newestOfSites);
    metrics.newestTouchpoint.reset(); // sites come and go
    for (const { site_id: siteId, newest } of sites)
      metrics.newestTouchpoint.set({ site_id: siteId }, newest);
  } catch {
    metrics.deriveLag.set(Number.NaN);
  }
}

const waitingTouchpoints = `
  select
    coalesce(extract(epoch from clock_timestamp() - min(batches.stored_at)), 0)::float8 as lag,
    coalesce(sum(cardinality(batches.touchpoint_ids)), 0)::integer as waiting
  from store.batches`;

const newestOfSites = `
  select sites.site_id::text as site_id, extract(epoch from clocks.newest_touchpoint_at)::float8 as newest
  from store.sites
  join store.clocks on clocks.site_id = sites.site_id
  where clocks.newest_touchpoint_at is not null
  order by clocks.newest_touchpoint_at desc
  limit 200`;

function mayReadMetrics(request: FastifyRequest, token: string | undefined): boolean {
  if (token !== undefined) {
    const given = Buffer.from(/^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '');
    const wanted = Buffer.from(token);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
  // The socket's own end, never X-Forwarded-For; and behind a proxy on this machine every client looks like loopback.
  const isForwarded = 'x-forwarded-for' in request.headers || 'forwarded' in request.headers;
  return !isForwarded && /^(127\.|::1$|::ffff:127\.)/.test(request.socket.remoteAddress ?? '');
}

async function works(attempt: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, probeTimeoutMs, false);
  });
  const done = attempt.then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

function remembered<T>(lifetimeMs: number, ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  let askedAt = 0;
  return () => {
    if (answer === undefined || performance.now() - askedAt > lifetimeMs) {
      askedAt = performance.now();
      answer = ask();
    }
    return answer;
  };
}
