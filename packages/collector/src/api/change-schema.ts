import { z } from 'zod';

/** What the change feed tells, by type. Some of these are what webhooks may subscribe to. */
export const changeTypes = [
  'stage.changed',
  'transition.corrected',
  'person.changed',
  'person.merged',
  'person.erased',
  'cart.changed',
  'cart.recovered',
  'cart.abandoned',
  'checkout.abandoned',
  'browse.abandoned',
  'order.placed',
  'order.refunded',
  'feedback.received',
] as const;
export type ChangeType = (typeof changeTypes)[number];

/** Why something changed. */
export const changeOrigins = ['live', 'late', 'merge', 'import', 'model', 'settings', 'erasure'] as const;
export type ChangeOrigin = (typeof changeOrigins)[number];

const told = (description: string) => z.unknown().meta({ description });

/** One row of the feed, as the API prints it. */
export const changeSchema = z
  .object({
    cursor: z.string().meta({ description: 'Its place in the feed: reading on from here begins after it.' }),
    type: z.string().meta({ description: 'What changed.', examples: ['stage.changed'] }),
    person_id: z
      .string()
      .nullable()
      .meta({ format: 'uuid', description: 'The person concerned; after a merge the one that stays.' }),
    subject_id: z.string().meta({
      description:
        'What changed: the transition, cart, order, trigger, touchpoint or person; of a merge the person that is gone.',
    }),
    occurred_at: z.iso
      .datetime()
      .meta({ description: 'When it happened, in the person’s own order of time.' }),
    recorded_at: z.iso.datetime().meta({ description: 'When it was written to the feed.' }),
    origin: z.string().meta({ description: `Why: ${changeOrigins.join(', ')}.`, examples: ['live', 'late'] }),
    before: told('What was so before; null where there was nothing.'),
    after: told('What is so now; null where there is nothing any more.'),
  })
  .meta({ id: 'Change' });

/** One page of the feed. */
export const changesSchema = z
  .object({
    changes: z.array(changeSchema),
    next_cursor: z.string().meta({
      description:
        'Where this page ends. Never null: ask with it again later for what has changed since, also where the page is empty.',
    }),
    has_more: z
      .boolean()
      .meta({ description: 'Whether the feed went on behind this page at the time; then ask at once.' }),
  })
  .meta({ id: 'Changes' });

export type Change = z.infer<typeof changeSchema>;
