import { maxValueLength } from '@milepost/shared';
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { api } from './api/index.ts';
import type { TouchpointBuffer } from './buffer/buffer.ts';
import type { Config } from './config.ts';
import { home } from './home/index.ts';
import { ingest } from './ingest/index.ts';
import { operations } from './operations/health.ts';
import { createLog } from './operations/log.ts';
import type { Metrics } from './operations/metrics.ts';
import { errors, refuseConnection } from './plugins/errors.ts';
import { keys } from './plugins/keys.ts';
import { requestIds } from './plugins/request-id.ts';
import { problemForNow } from './problems.ts';
import { shop } from './shop/index.ts';
import { script } from './shop/script.ts';

/** So long requests under way are waited for when the process is told to end. */
const mostClosingMs = 5_000;

export type AppOptions = {
  config: Pick<
    Config,
    | 'roles'
    | 'logLevel'
    | 'trustProxy'
    | 'metricsToken'
    | 'rateLimit'
    | 'webhookTargets'
    | 'importFolder'
    | 'importLimitBytes'
  >;
  pool: Pool;
  /** Null where this process does not ingest. */
  buffer: TouchpointBuffer | null;
  metrics: Metrics;
  log?: FastifyBaseLogger;
  /** Whether the writer's loop runs; absent where another process writes. */
  isWriting?: () => boolean;
  /** Serves the demo shop with this key of its site. */
  shop?: { writeKey: string };
};

/**
 * The web server of a collector, not yet listening. Closing it stops listening and finishes what was begun; buffer
 * and pool stay open, for the writer still needs them.
 */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { config, pool, buffer, metrics } = options;
  const app = fastify({
    loggerInstance: options.log ?? createLog(config.logLevel),
    // Figures are in /metrics; a line a request would cost more than the request.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIds(),
    trustProxy: trustOf(config.trustProxy),
    // A client that stops half-way through its body must not hold a socket for ever.
    requestTimeout: 30_000,
    // Longer than the 60 s of most load balancers, so that they, not we, close idle connections.
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // Ids may be that long, four bytes a character, three characters of an address a byte.
    routerOptions: { maxParamLength: 12 * maxValueLength },
    clientErrorHandler: refuseConnection,
  });

  let isClosing = false;
  app.addHook('preClose', async () => {
    isClosing = true;
    // Who has not taken his answer by then never will; and what was acked is still to be stored.
    setTimeout(() => app.server.closeAllConnections(), mostClosingMs).unref();
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    if (isClosing) {
      reply.header('connection', 'close');
      throw problemForNow('shutting-down', 'Nothing of this request was kept; send it again in a moment.', 2);
    }
  });

  await app.register(errors, { metrics });
  await app.register(operations, {
    pool,
    buffer,
    metrics,
    metricsToken: config.metricsToken,
    isWriting: options.isWriting,
  });
  await app.register(keys, { pool });
  if (config.roles.has('ingest') && buffer) {
    await app.register(ingest, { buffer, metrics, rateLimit: config.rateLimit });
  }
  // pages load it from where they send to
  if (config.roles.has('ingest') || config.roles.has('api')) await app.register(script);
  if (config.roles.has('api')) {
    await app.register(api, { pool, ...config });
    await app.register(home, { pool, hasShop: options.shop !== undefined });
    if (options.shop) await app.register(shop, options.shop);
  }
  return app;
}

/** A number of proxies as the question that Fastify asks of each hop, the nearest being 0. */
function trustOf(
  trust: Config['trustProxy'],
): boolean | string[] | ((address: string, hop: number) => boolean) {
  return typeof trust === 'number' ? (_address, hop) => hop < trust : trust;
}
