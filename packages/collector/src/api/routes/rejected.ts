import { z } from 'zod';

import { Problem, problemForNow } from '../../problems.ts';
import { replay } from '../../rejected/replay.ts';
import { type List, filtersOf, pageOf } from '../page.ts';
import {
  directionOf,
  nameParameter,
  orderParameter,
  pageParameters,
  pageSchema,
  sendPage,
  timeParameters,
} from '../page-answer.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';
import { described, jsonAnswer, queryOf } from '../route.ts';
import { isAway } from '../rows.ts';

const results = ['stored', 'duplicate', 'rejected'] as const;
const text = (description: string) => z.string().meta({ description });
const id = (description: string) => z.string().meta({ format: 'uuid', description });

const rejectedSchema = z
  .object({
    rejected_id: id('Its key.'),
    received_at: z.iso.datetime().meta({ description: 'When it came.' }),
    reason: text('Why it was refused.'),
    detail: z.string().nullable().meta({ description: 'The place in it, and what is wrong there.' }),
    event: z.string().nullable().meta({ description: 'The event as it came, up to 128 KiB.' }),
    ingested_by: text('How it came.'),
    replayed_at: z.iso.datetime().nullable().meta({ description: 'When it was last replayed.' }),
    replay_result: z.enum(results).nullable().meta({ description: 'What that came to.' }),
    replay_detail: z.string().nullable().meta({ description: 'Why that refused it.' }),
    touchpoint_id: id('The touchpoint as which it is stored by now.').nullable(),
  })
  .meta({ id: 'RejectedEvent' });

const columns = Object.keys(rejectedSchema.shape);
const rejectedList: List = {
  name: 'rejected',
  columns: columns.map((column) => `rejected_events.${column}`).join(', '),
  from: 'journey.rejected_events',
  siteColumn: 'rejected_events.site_id',
  key: [
    { column: 'rejected_events.received_at', type: 'timestamptz' },
    { column: 'rejected_events.rejected_id', type: 'uuid' },
  ],
};

const instant = z.iso.datetime({ offset: true });
const body = z.union([
  z.strictObject({
    events: z
      .array(
        z.strictObject({
          rejected_id: z.uuid(),
          event: z.record(z.string(), z.unknown()).optional().meta({
            description:
              'What it says from now on, in the form it came in. Without it, it is replayed as it is.',
          }),
        }),
      )
      .min(1)
      .max(1_000),
  }),
  z
    .strictObject({
      reason: z.string().min(1).max(100).optional(),
      since: instant.optional().meta({ description: 'Received at or after this instant.' }),
      until: instant.optional().meta({ description: 'Received before this instant.' }),
    })
    .refine((selection) => Object.keys(selection).length > 0),
]);

const count = (description: string) => z.number().int().meta({ description });
const countsSchema = z.object({
  replayed: count('Events judged again; they are the next three together.'),
  stored: count('Touchpoints now.'),
  duplicates: count('Touchpoints already.'),
  rejected: count('Refused again; the row says why.'),
});

/** What was not stored, and storing it after all: `/v1/rejected`. */
export async function rejectedRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  app.route({
    method: 'GET',
    url: '/v1/rejected',
    config: { scope: 'read:rejected' },
    schema: {
      ...described({
        operationId: 'listRejected',
        tag: 'Rejected',
        summary: 'Events that were not stored',
        description:
          'Each with its reason, the place in it, and what became of it when it was replayed. They are kept 30 days (`rejected_kept`).',
        scope: 'read:rejected',
        problems: ['invalid-cursor'],
      }),
      querystring: queryOf({
        reason: nameParameter('Only those refused for this reason.', 'bad_time'),
        ingested_by: nameParameter('Only those that came this way.', 'events'),
        replay_result: z
          .enum(results)
          .optional()
          .meta({ description: 'Only those whose last replay came to this.' }),
        ...timeParameters('`received_at`'),
        order: orderParameter('`received_at`', 'newest'),
        ...pageParameters,
      }),
      response: { 200: pageSchema('rejected', rejectedSchema, 'One page of rejected events.') },
    },
    handler: async (request, reply) => {
      const {
        reason,
        ingested_by: by,
        replay_result: result,
        since,
        until,
        order,
        limit,
        cursor,
      } = request.query;
      const page = await pageOf({ pool, access: request.access }, rejectedList, {
        filters: filtersOf({
          'rejected_events.reason = ?': reason,
          'rejected_events.ingested_by = ?': by,
          'rejected_events.replay_result = ?': result,
          'rejected_events.received_at >= ?': since,
          'rejected_events.received_at < ?': until,
        }),
        direction: directionOf(order),
        limit,
        cursor,
      });
      return sendPage(request, reply, { name: 'rejected', row: rejectedSchema, page });
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/rejected/replay',
    bodyLimit: 8 * 1024 * 1024,
    config: { scope: 'write:rejected' },
    attachValidation: true,
    schema: {
      ...described({
        operationId: 'replayRejected',
        tag: 'Rejected',
        summary: 'Repair and replay rejected events',
        description:
          'Either `events`, each with what it shall say from now on or as it is, or a selection: all of a `reason`, of a time, that are not stored by now. Each is judged by what the site is set to now, and else as when it came: with its id, its times, and what its key may say. Replaying again stores nothing twice. It arms no trigger.',
        scope: 'write:rejected',
        problems: ['invalid-replay', 'malformed-json', 'body-too-large'],
      }),
      querystring: queryOf({}),
      body,
      response: { 200: jsonAnswer(countsSchema, 'What it came to.') },
    },
    handler: async (request) => {
      if (request.validationError) throw refusal();
      const given = request.body;
      const { siteId } = request.access;
      try {
        if (!('events' in given)) {
          const { reason, since, until } = given;
          return await replay(pool, siteId, {
            selection: { reason, since: utc(since), until: utc(until) },
          });
        }
        const repaired = new Map<string, string>();
        for (const { rejected_id: rejectedId, event } of given.events) {
          if (event !== undefined) repaired.set(rejectedId.toLowerCase(), JSON.stringify(event));
        }
        const ids = given.events.map(({ rejected_id: rejectedId }) => rejectedId);
        return await replay(pool, siteId, { selection: { ids }, repaired });
      } catch (error) {
        if (!isAway(error)) throw error;
        throw problemForNow('database-unavailable', 'The database does not answer. Replay again shortly.', 5);
      }
    },
  });
}

const utc = (instant: string | undefined) =>
  instant === undefined ? undefined : new Date(instant).toISOString();

function refusal(): Problem {
  return new Problem(
    'invalid-replay',
    'Send { "events": [{ "rejected_id": …, "event"?: {…} }, …] } with 1 to 1,000 of them, or at least one of reason, since and until.',
  );
}
