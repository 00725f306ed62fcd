import { z } from 'zod';
import { targetProblem, type TargetPolicy } from '../deliver/index.ts';
import { changeOrigins, changeTypes } from './change-schema.ts';

/** How a delivery can stand. */
export const deliveryStates = [
  'pending',
  'sending',
  'delivered',
  'failed',
  'voided',
  'held',
  'cancelled',
] as const;

const instant = (description: string) => z.iso.datetime().meta({ description });
const maybeInstant = (description: string) => z.iso.datetime().nullable().meta({ description });
const uuid = (description: string) => z.string().meta({ format: 'uuid', description });

export const webhookSchema = z
  .object({
    webhook_id: uuid('Its key.'),
    url: z.string().meta({ description: 'Where messages are posted to.' }),
    description: z.string(),
    types: z.array(z.string()).meta({ description: 'The types of changes it is told of.' }),
    origins: z.array(z.string()).meta({ description: 'The origins of changes it is told of.' }),
    concurrency: z.number().int().meta({ description: 'Most attempts under way at once.' }),
    is_enabled: z.boolean(),
    disabled_reason: z.string().nullable().meta({
      description: '`by_hand`, or `gone` where an attempt was answered with 410; null while enabled.',
    }),
    failure_count: z.number().int().meta({
      description: 'Attempts that failed one after the other; from ten on it is left alone for a while.',
    }),
    paused_until: maybeInstant('Nothing is sent before: too much failed, or a receiver asked for it.'),
    created_at: instant('When it was made.'),
    updated_at: instant('When it was last changed.'),
  })
  .meta({ id: 'Webhook' });

const secret = z.string().meta({
  description: 'What messages are signed with, in the form of Standard Webhooks. It is shown this once.',
  examples: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo='],
});

export const madeWebhookSchema = webhookSchema.extend({ secret }).meta({ id: 'MadeWebhook' });

export const rotationSchema = z.object({
  secret,
  earlier_hold_until: instant('Until then messages are signed with the secrets before, too.'),
});

export const deliverySchema = z
  .object({
    delivery_id: uuid('Its key, and the `webhook-id` of all its messages.'),
    webhook_id: uuid('The webhook it is for.'),
    type: z.string().meta({ description: 'The type of the change; `webhook.ping` for a ping.' }),
    person_id: z.string().nullable().meta({ format: 'uuid', description: 'The person concerned.' }),
    trigger_id: z
      .string()
      .nullable()
      .meta({ format: 'uuid', description: 'The trigger it tells of; null for any other change.' }),
    state: z.enum(deliveryStates),
    reason: z.string().nullable().meta({ description: 'Why it ended without a success.' }),
    created_at: instant('When it was taken from the change feed.'),
    next_attempt_at: maybeInstant('When it is sent next; null unless pending.'),
    attempt_count: z.number().int().meta({ description: 'How often it was sent, replays included.' }),
    last_attempt_at: maybeInstant('When it was sent last.'),
    last_status: z
      .number()
      .int()
      .nullable()
      .meta({ description: 'The HTTP status of the last answer; null where none came.' }),
    last_error: z.string().nullable().meta({
      description:
        'Why the last attempt got no answer: timeout, refused, unreachable, no_such_host, connect_timeout, connection_lost, certificate, address_not_allowed, or unknown where its sender died.',
    }),
    delivered_at: maybeInstant('The first answer of 2xx.'),
  })
  .meta({ id: 'Delivery' });

const attemptSchema = z
  .object({
    attempt: z.number().int(),
    started_at: instant('When it was sent.'),
    ended_at: maybeInstant('When the answer was there, or given up; null while under way.'),
    status: z.number().int().nullable(),
    error: z.string().nullable(),
    headers: z.record(z.string(), z.string()).nullable().meta({ description: 'Of the answer.' }),
    answer: z.string().nullable().meta({ description: 'Its body, the first 8 KiB.' }),
  })
  .meta({ id: 'DeliveryAttempt' });

export const deliveryWithAttemptsSchema = deliverySchema
  .extend({
    body: z
      .string()
      .nullable()
      .meta({ description: 'What was sent last, to the letter; null before the first attempt.' }),
    attempts: z.array(attemptSchema),
  })
  .meta({ id: 'DeliveryWithAttempts' });

/** What a webhook can be set to, as bodies say it. */
export function webhookSettings(policy: TargetPolicy) {
  const words = <Word extends string>(known: readonly Word[]) =>
    z
      .array(z.enum(known, { error: `is none of ${known.join(', ')}` }))
      .min(1, { error: 'names none' })
      .max(known.length);
  return {
    url: z
      .string()
      .max(2_000)
      .superRefine((text, context) => {
        const problem = targetProblem(text, policy);
        if (problem !== null) context.addIssue(problem);
      })
      .meta({ description: 'Where to post to: https, to a host of the internet.' }),
    types: words(changeTypes).meta({ description: 'The types of changes it is told of.' }),
    origins: words(changeOrigins).meta({
      description: 'The origins of changes it is told of. Default: live, late and merge.',
    }),
    description: z.string().max(500).meta({ description: 'What it is for.' }),
    concurrency: z
      .number()
      .int()
      .min(1)
      .max(100)
      .meta({ description: 'Most attempts under way at once. Default: 5.' }),
    is_enabled: z.boolean().meta({ description: 'Whether anything is sent. Default: true.' }),
  };
}
