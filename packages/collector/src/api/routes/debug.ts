import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { z } from 'zod';
import type { DebugEvent } from '../../debug/events.ts';
import { watchArrivals } from '../../debug/watch.ts';
import { problemForNow } from '../../problems.ts';
import { accessOf, requireScope, SiteSecrets } from '../access.ts';
import { streamTimes } from '../change-stream.ts';
import { sendEvents } from '../send-events.ts';
import { described, queryOf } from '../route.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';

/** Each asks the database some questions four times a second. */
const mostStreamsOfSite = 10;

/** What arrives now: `GET /v1/debug/stream`. */
export async function debugRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  const secrets = new SiteSecrets(pool);
  const open = new Map<number, Set<PassThrough>>();
  app.addHook('preClose', async () => {
    for (const streams of open.values()) for (const stream of streams) stream.destroy();
  });

  app.route({
    method: 'GET',
    url: '/v1/debug/stream',
    exposeHeadRoute: false, // it would open a stream that nobody reads
    config: { scope: 'read:debug' },
    schema: {
      ...described({
        operationId: 'watchArrivals',
        tag: 'Ingestion',
        summary: 'Watch what arrives',
        description:
          'What arrives at the site from now on, as server-sent events. `touchpoint`: one that was stored, with its `verdict` (`accepted`, `bot` or `internal`) and what was odd about it. `rejected`: one that was not, with reason and place. `duplicates`: how many came again. `derived`: what became of a touchpoint told of before, within a second or two: its person, session, signal, the stage the person has reached and the transition, if there was one. `skipped`: more came than could be shown. Imports are not shown. E-mail addresses and phone numbers in properties only with the scope `read:contacts`. For eyes, not for programs: those follow `/v1/changes`, where nothing is left out.',
        scope: 'read:debug',
        problems: ['rate-limited'],
      }),
      querystring: queryOf({}),
      response: {
        200: {
          description: 'Events without end.',
          content: { 'text/event-stream': { schema: z.string() } },
        },
      },
    },
    handler: async (request, reply) => {
      const { siteId, scopes } = request.access;
      const streams = open.get(siteId) ?? new Set();
      open.set(siteId, streams);
      if (streams.size >= mostStreamsOfSite) {
        throw problemForNow('rate-limited', `${mostStreamsOfSite} watch this site already: close some.`, 30);
      }
      const stream = new PassThrough();
      const gone = new AbortController();
      stream.on('error', () => {}); // the reader has hung up
      stream.once('close', () => {
        gone.abort();
        streams.delete(stream);
      });
      streams.add(stream);
      const tellAll = tell(stream, {
        arrivals: watchArrivals(pool, siteId, {
          withContacts: scopes.has('read:contacts'),
          signal: gone.signal,
        }),
        signal: gone.signal,
        checkKey: async () => requireScope(await accessOf(app.keys, secrets, request), 'read:debug'),
      });
      tellAll.catch((err: unknown) => {
        if (!gone.signal.aborted) request.log.info({ req: request, err }, 'a debug stream was ended');
        stream.destroy();
      });
      return sendEvents(reply, stream);
    },
  });
}

type Telling = {
  arrivals: AsyncIterable<DebugEvent[]>;
  signal: AbortSignal;
  /** Throws once the key is good no more; asked with every heartbeat. */
  checkKey: () => Promise<void>;
};

/** Writes what arrives; the next look is taken when the reader has taken what the one before saw. */
async function tell(stream: PassThrough, { arrivals, signal, checkKey }: Telling): Promise<void> {
  const write = async (text: string): Promise<void> => {
    if (stream.write(text)) return;
    const patience = AbortSignal.any([signal, AbortSignal.timeout(streamTimes.stallMs)]);
    await once(stream, 'drain', { signal: patience });
  };
  await write('retry: 2000\n: watching\n\n');
  let heartbeatAt = Date.now() + streamTimes.heartbeatMs;
  for await (const events of arrivals) {
    // JSON has no line break, so one data line is enough
    const texts = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    if (texts.length > 0) await write(texts.join(''));
    if (Date.now() < heartbeatAt) continue;
    await checkKey();
    await write(': still here\n\n');
    heartbeatAt = Date.now() + streamTimes.heartbeatMs;
  }
}
