import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Problem, problemForNow } from '../../problems.ts';
import { accessOf, SiteSecrets } from '../access.ts';
import { changeOrigins, changeSchema, changesSchema, changeTypes } from '../change-schema.ts';
import { changeStream } from '../change-stream.ts';
import { ChangeWatch } from '../change-watch.ts';
import { beginning, changesAfter, endOfFeed, feedCursorOf, feedPositionOf } from '../changes.ts';
import { pageParameters, sendPage } from '../page-answer.ts';
import { described, queryOf } from '../route.ts';
import { sendEvents } from '../send-events.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';

/** How many readers one site may have at a collector: each holds a connection and a page. */
const mostStreamsOfSite = 100;
const rowsWrittenAtOnce = 200;

/** A list of words in one parameter, divided by commas. */
const wordsOf = <Word extends string>(words: readonly Word[], description: string, example: string) =>
  z
    .string()
    .transform((text) => text.split(',').map((word) => word.trim()))
    .pipe(z.array(z.enum(words, { error: `may name, divided by commas: ${words.join(', ')}` })))
    .optional()
    .meta({ description, examples: [example] });

const filterParameters = {
  type: wordsOf(
    changeTypes,
    'Only changes of these types, divided by commas.',
    'stage.changed,cart.abandoned',
  ),
  origin: wordsOf(changeOrigins, 'Only changes with these origins, divided by commas.', 'live,late,merge'),
  person_id: z
    .guid({ error: 'is not a UUID' })
    .optional()
    .meta({ description: 'Only changes of this person.' }),
};

const cursor = pageParameters.cursor.meta({
  description:
    'Read on behind this place: a `next_cursor`, or the `cursor` of a change. It is good for other filters and for the stream too.',
});

const start = (first: 'oldest' | 'latest') =>
  z
    .enum(['oldest', 'latest'])
    .default(first)
    .meta({ description: 'Without a cursor: from the oldest change that is kept, or from now on.' });

type Query = { type?: string[] | undefined; origin?: string[] | undefined; person_id?: string | undefined };
const filtersOf = ({ type, origin, person_id }: Query) => ({
  types: type,
  origins: origin,
  personId: person_id,
});

/** What derivation changed, to be followed: `/v1/changes` and `/v1/changes/stream`. */
export async function changeRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  const positionOf = async (
    request: FastifyRequest,
    asked: { cursor?: string | undefined; start: 'oldest' | 'latest' },
  ): Promise<number> => {
    if (asked.cursor !== undefined) return feedPositionOf(asked.cursor, request.access);
    return asked.start === 'latest' ? endOfFeed(pool, request.access) : beginning;
  };

  app.route({
    method: 'GET',
    url: '/v1/changes',
    config: { scope: 'read:changes' },
    schema: {
      ...described({
        operationId: 'listChanges',
        tag: 'Changes',
        summary: 'Follow what changes',
        description:
          'The change feed, oldest first: each change of a stage, cart, order or person, once and in order. Keep `next_cursor` when a page is dealt with and ask with it again; nothing is skipped and nothing comes twice, whatever is written meanwhile.',
        scope: 'read:changes',
        problems: ['invalid-cursor', 'cursor-expired'],
      }),
      querystring: queryOf({
        ...filterParameters,
        start: start('oldest'),
        limit: pageParameters.limit,
        cursor,
      }),
      response: {
        200: {
          description: 'One page of the feed.',
          headers: {},
          content: {
            'application/json': { schema: changesSchema },
            'text/csv': {
              schema: z.string().meta({
                description: 'One line a change; go on behind the `cursor` of the last line.',
              }),
            },
          },
        },
      },
    },
    handler: async (request, reply) => {
      const { access, query } = request;
      const page = await changesAfter(pool, access, {
        position: await positionOf(request, query),
        filters: filtersOf(query),
        limit: query.limit,
      });
      const nextCursor = feedCursorOf(page.position, access);
      return sendPage(request, reply, {
        name: 'changes',
        row: changeSchema,
        page: { rows: page.rows, nextCursor },
        beside: { has_more: page.hasMore },
      });
    },
  });

  const watch = new ChangeWatch(pool, app.log);
  const secrets = new SiteSecrets(pool);
  const open = new Map<number, Set<{ destroy: () => void }>>();
  // the streams never end by themselves, so closing would wait for them
  app.addHook('preClose', async () => {
    for (const stream of [...open.values()].flatMap((streams) => [...streams])) stream.destroy();
  });

  app.route({
    method: 'GET',
    url: '/v1/changes/stream',
    exposeHeadRoute: false, // it would open a stream that nobody reads
    config: { scope: 'read:changes' },
    schema: {
      ...described({
        operationId: 'streamChanges',
        tag: 'Changes',
        summary: 'Be told what changes',
        description:
          'The change feed as server-sent events, within a second of each change. The `id` of an event is its cursor: a client that was cut off sends the last one as `Last-Event-ID` and goes on behind it. A comment comes at least every 15 seconds. A reader that takes nothing for 30 seconds is cut off and loses nothing by it.',
        scope: 'read:changes',
        problems: ['invalid-cursor', 'cursor-expired', 'rate-limited'],
      }),
      querystring: queryOf({ ...filterParameters, start: start('latest'), cursor }),
      headers: z.object({
        'last-event-id': z
          .string()
          .max(2000)
          .optional()
          .meta({ description: 'The `id` of the last event that was dealt with; wins over `cursor`.' }),
      }),
      response: {
        200: {
          description: 'Events without end.',
          content: { 'text/event-stream': { schema: z.string() } },
        },
      },
    },
    handler: async (request, reply) => {
      const { access, query } = request;
      const streams = open.get(access.siteId) ?? new Set();
      open.set(access.siteId, streams);
      if (streams.size >= mostStreamsOfSite) {
        throw problemForNow(
          'rate-limited',
          `The site has ${mostStreamsOfSite} open streams at this collector: close some, or read \`/v1/changes\`.`,
          30,
        );
      }
      // an empty one is what a client sends that was told none
      const lastEventId = request.headers['last-event-id'] || undefined;
      const position = await positionOf(request, { ...query, cursor: lastEventId ?? query.cursor });
      const filters = filtersOf(query);
      const read = (from: number) =>
        changesAfter(pool, access, { position: from, filters, limit: rowsWrittenAtOnce });
      const stream = changeStream({
        position,
        first: await read(position),
        read,
        wait: (from, patienceMs, signal) =>
          watch.past({ siteId: access.siteId, position: from }, patienceMs, signal),
        cursorOf: (at) => feedCursorOf(at, access),
        isAllowed: async () => isAllowed(await accessOf(app.keys, secrets, request).catch(problemOf)),
      });
      streams.add(stream);
      stream.once('close', () => streams.delete(stream));
      return sendEvents(reply, stream);
    },
  });
}

const problemOf = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  throw error;
};

/** A key that cannot be checked right now stays good. */
const isAllowed = (found: { scopes: ReadonlySet<string> } | Problem): boolean =>
  found instanceof Problem ? found.type === 'keys-unavailable' : found.scopes.has('read:changes');
