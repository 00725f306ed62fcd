import type { FastifyInstance } from 'fastify';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { buildApp } from './app.ts';
import { openBuffer } from './buffer/open.ts';
import type { Config } from './config.ts';
import { migrate } from './database/migrate.ts';
import { createPool } from './database/pool.ts';
import { startDeliver } from './deliver/index.ts';
import { startDerive, type DeriveLoop } from './derive/index.ts';
import { Closing } from './closing.ts';
import { createLog } from './operations/log.ts';
import { createMetrics } from './operations/metrics.ts';
import { Refusal } from './refusal.ts';
import { collectorIdOf, startWatermark } from './triggers/watermark.ts';
import { readyOf } from './write/prepare.ts';
import { startWriter } from './write/writer.ts';

/** A collector at work. */
export type Server = {
  /** Where it listens. */
  url: string;
  log: Logger;
  /** Stops listening, finishes what was begun, carries the buffer to PostgreSQL and derives it, then lets go of all. */
  stop: () => Promise<void>;
};

export type ServerOptions = {
  /** Serves the demo shop with this key of its site. */
  shop?: { writeKey: string };
  log?: Logger;
};

/** Brings the database to this version and starts the roles of `config` in this process. */
export async function startServer(config: Config, options: ServerOptions = {}): Promise<Server> {
  const log = options.log ?? createLog(config.logLevel);
  const metrics = createMetrics();
  const closing = new Closing();
  const openPool = (name: string, connections: number): Pool => {
    const pool = createPool(config.databaseUrl, { name: `milepost ${name}`, connections });
    closing.add(() => pool.end());
    return pool;
  };

  try {
    const pool = openPool('api', config.databaseConnections);
    await untilAnswering(pool, log);
    const { applied } = await migrate(pool);
    if (applied.length > 0) log.info({ applied }, 'migrated');

    const isBuffering = config.roles.has('ingest') || config.roles.has('write');
    const buffer = isBuffering
      ? await openBuffer(config.buffer, {
          maxBytes: config.bufferLimitBytes,
          ...(config.roles.has('write') && { makeReady: readyOf }),
          onCommit: ({ seconds, entries }) => {
            metrics.commitSeconds.observe(seconds);
            metrics.commitEntries.inc(entries);
          },
        })
      : null;
    if (buffer) closing.add(() => buffer.close());

    if (buffer) {
      const collectorId = collectorIdOf(config.buffer);
      const watermark = await startWatermark({ collectorId, buffer, pool, log });
      closing.add(() => watermark.stop());
    }

    let derive: DeriveLoop | undefined;
    if (config.roles.has('derive')) {
      const loop = startDerive({ pool: openPool('derive', 3), log, metrics });
      derive = loop;
      closing.add(async () => {
        await loop.drain();
        await loop.stop();
      });
    }

    if (config.roles.has('deliver')) {
      const pool = openPool('deliver', 5);
      const loop = startDeliver({ pool, log, metrics: metrics.deliver, policy: config.webhookTargets });
      closing.add(() => loop.stop());
    }

    let isWriting = false;
    if (buffer && config.roles.has('write')) {
      const writer = startWriter({
        buffer,
        pool: openPool('write', 2),
        log,
        onStored: () => derive?.wake(),
        metrics: {
          committed: ({ stored, duplicates, rejected, seconds }) => {
            metrics.stored.inc(stored);
            metrics.duplicates.inc(duplicates);
            metrics.storedRejects.inc(rejected);
            metrics.writeSeconds.observe(seconds);
          },
          failed: () => {},
        },
      });
      isWriting = true;
      closing.add(() => {
        isWriting = false;
        return writer.stop();
      });
    }

    const app = await buildApp({
      config,
      pool,
      buffer,
      metrics,
      log,
      ...(config.roles.has('write') && { isWriting: () => isWriting }),
      ...(options.shop && { shop: options.shop }),
    });
    closing.add(() => app.close());
    return { url: await listen(app, config), log, stop: () => closing.close() };
  } catch (error) {
    await closing.close();
    throw error;
  }
}

/** Starts the server and keeps it until SIGTERM or SIGINT; a second signal ends the process at once. */
export async function serveUntilSignal(config: Config): Promise<void> {
  const server = await startServer(config);
  server.log.info({ url: server.url, roles: [...config.roles] }, 'listening');
  stopOnSignal(async () => {
    server.log.info('stopping');
    await server.stop();
    server.log.info('stopped');
  });
}

/** Runs `stop` at the first SIGTERM, SIGINT or SIGHUP, then ends the process; a second signal ends it at once. */
export function stopOnSignal(stop: () => Promise<void>): void {
  let isStopping = false;
  const onSignal = () => {
    if (isStopping) process.exit(1);
    isStopping = true;
    void stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${(error as Error).stack ?? String(error)}\n`);
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal);
}

/** A database that starts beside us may need a moment. */
async function untilAnswering(pool: Pool, log: Logger): Promise<void> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    try {
      await pool.query('select 1');
      return;
    } catch (error) {
      const { code } = error as { code?: string };
      const isPassing =
        code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === '57P03';
      if (!isPassing || Date.now() > deadline) throw error;
      log.warn({ code }, 'waiting for PostgreSQL');
      await sleep(1_000);
    }
  }
}

async function listen(app: FastifyInstance, { host, port }: Config): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new Refusal(portIsTaken(port));
    if (code === 'EACCES')
      throw new Refusal(`this user may not listen on port ${port}; set PORT to one above 1023.`);
    if (code === 'EADDRNOTAVAIL')
      throw new Refusal(`this machine has no address ${host}; set HOST to one it has.`);
    throw error;
  }
  const address = app.server.address();
  const actual = address && typeof address === 'object' ? address.port : port;
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${actual}`;
}

/** The sentence for a port that another program holds. */
export function portIsTaken(port: number): string {
  return `port ${port} is taken by another program; set PORT to a free one, as in PORT=${port + 1} npm start.`;
}
