import { z } from 'zod';

/** Why an event was not stored. A closed list: metrics, `rejected_events` and answers use these words. */
export const rejectReasons = [
  'invalid',
  'no_identity',
  'bad_time',
  'too_old',
  'too_large',
  'source_not_allowed',
  'refund_not_allowed',
  'consent_denied',
  'consent_required',
  'unstorable',
] as const;
/** One of {@link rejectReasons}. */
export type RejectReason = (typeof rejectReasons)[number];

/** Whether a reject for this reason is counted alone: who refused consent must not be kept in a list of rejects. */
export function isOnlyCounted(reason: RejectReason): boolean {
  return reason === 'consent_denied' || reason === 'consent_required';
}

/** What became of one touchpoint of a batch. `id` is the client's own, null where it sent none that can be read. */
export const resultSchema = z.object({
  id: z.string().nullable(),
  status: z.enum(['accepted', 'rejected']),
  reason: z.enum(rejectReasons).optional(),
  /** JSON pointer of what is wrong, and what. */
  detail: z.string().optional(),
});
/** {@link resultSchema} as a type. */
export type Result = z.infer<typeof resultSchema>;

/** The answer of `POST /v1/events`: one result a touchpoint, in the order of the batch. */
export const batchAnswerSchema = z.object({ results: z.array(resultSchema) });
/** {@link batchAnswerSchema} as a type. */
export type BatchAnswer = z.infer<typeof batchAnswerSchema>;
