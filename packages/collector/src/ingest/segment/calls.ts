import { type TouchpointType, touchpointTypes } from '@milepost/shared';

/** What a route of Segment's HTTP API takes: one call of a kind, or a batch of any. */
export type SegmentCall = TouchpointType | 'batch';

/** Routes under `/v1/`: the names, and the first letters that analytics.js uses. */
export const segmentRoutes: Readonly<Record<string, SegmentCall>> = Object.fromEntries(
  [...touchpointTypes, 'batch' as const].flatMap((call) => [
    [call, call],
    [call[0]!, call],
  ]),
);

export type Fields = Record<string, unknown>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a request asks for, calls not yet looked at. */
export type SegmentBatch = {
  calls: readonly unknown[];
  /** The clock of the batch when it was sent. */
  sentAt: unknown;
  /** Circumstances that all calls of the batch share. */
  context: unknown;
};

/** The calls of a readable body; a body that is one call says all that a batch would say of itself. */
export function callsOf(body: Fields, call: SegmentCall): SegmentBatch {
  return call === 'batch'
    ? { calls: body['batch'] as unknown[], sentAt: body['sentAt'], context: body['context'] }
    : { calls: [body], sentAt: body['sentAt'], context: undefined };
}

/** Whether a call has no id of its own, so that the collector gives it one. */
export function lacksId(call: unknown): boolean {
  if (!isFields(call)) return false;
  const { messageId } = call;
  return messageId === undefined || messageId === null || messageId === '';
}
