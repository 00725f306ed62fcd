import { z } from 'zod';

/** Why an event was not stored. A closed list: metrics, `rejected_events` and answers use these words. */
export const rejectReasons = [
  'invalid',
  'no_identity',
  'bad_time',
  'too_old',
  'before_retention',
  'too_large',
  'source_not_allowed',
  'consent_denied',
  'consent_required',
  'unstorable',
  'bad_token',
  'expired_token',
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

/** Why the SDK lost touchpoints before they could be sent. It tells how many with a later batch. */
export const lossReasons = ['rejected', 'too_large', 'queue_full', 'expired', 'unreadable'] as const;

/**
 * Reads the `lost` of a batch: how many touchpoints the SDK lost, by reason. Reasons that are not of the list are
 * `other`, since anybody may send them; what is no count from 1 to 1,000,000 is left out.
 */
export function readLosses(lost: unknown): Map<string, number> {
  const losses = new Map<string, number>();
  if (typeof lost !== 'object' || lost === null) return losses;
  for (const [given, count] of Object.entries(lost)) {
    if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > 1_000_000) continue;
    const reason = lossReasons.find((known) => known === given) ?? 'other';
    losses.set(reason, (losses.get(reason) ?? 0) + count);
  }
  return losses;
}
