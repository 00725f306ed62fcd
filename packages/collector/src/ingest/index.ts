import type { FastifyInstance } from 'fastify';
import type { TouchpointBuffer } from '../buffer/buffer.ts';
import type { Metrics } from '../operations/metrics.ts';
import { Problem } from '../problems.ts';
import { showRefusals } from './cors.ts';
import { events } from './events.ts';
import { links } from './links/routes.ts';
import { rateLimitOf } from './rate-limit.ts';
import { BodyReader } from './read-body.ts';
import { configuration } from './segment/configuration.ts';
import { segment } from './segment/routes.ts';

export type IngestOptions = {
  buffer: TouchpointBuffer;
  metrics: Metrics;
  /** Requests a minute by write key and address; 0 is no limit. */
  rateLimit: number;
};

/** The routes that take touchpoints in. Needs the plugins `keys` and `errors`. */
export async function ingest(app: FastifyInstance, options: IngestOptions): Promise<void> {
  const { buffer, metrics } = options;

  // Bodies are JSON whatever their label says, and arrive as bytes: they are stored as they came.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', new BodyReader().read);
  app.addHook('onRequest', async (request) => {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && !/^(?:x-)?gzip$|^identity$|^$/i.test(encoding.trim())) {
      throw new Problem('unsupported-encoding', 'Bodies may be plain or gzipped, nothing else.');
    }
    // Without its label a body goes straight to the parser above; the client's own may not even be readable.
    delete request.headers['content-type'];
  });

  // A logger for each request costs as much as judging an event; what is logged here names its request itself.
  app.setChildLoggerFactory((logger) => logger);

  showRefusals(app);
  const rateLimit = await rateLimitOf(app, { requestsAMinute: options.rateLimit });
  await app.register(events, { buffer, metrics, rateLimit });
  await app.register(segment, { buffer, metrics, rateLimit });
  await app.register(configuration, { rateLimit });
  await app.register(links, { buffer, metrics, rateLimit });
}
