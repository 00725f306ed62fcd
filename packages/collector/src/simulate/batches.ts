import type { SiteEmission } from './traffic.ts';
import { seededRandom } from './random.ts';

/** One HTTP request's worth of touchpoints of one site and one sender. */
export type TouchpointBatch = {
  site: number;
  by: 'browser' | 'server';
  /** The touchpoints as JSON texts. */
  events: string[];
  /** The same events were in an earlier batch: the sender did not see the answer and tries again. */
  isResend: boolean;
};

const batchSize = 20;
const batchesUntilResend = 3;

/**
 * Gathers touchpoints into batches of up to twenty of one site and sender. One batch in a hundred comes again
 * three batches later.
 */
export function* batched(
  emissions: Iterable<SiteEmission>,
  { seed, resendShare = 0.01 }: { seed: number; resendShare?: number },
): Generator<TouchpointBatch> {
  const random = seededRandom(seed ^ 0x5eed);
  const open = new Map<string, TouchpointBatch>();
  const resends: { inBatches: number; batch: TouchpointBatch }[] = [];

  function* finish(batch: TouchpointBatch): Generator<TouchpointBatch> {
    yield batch;
    for (const resend of resends) resend.inBatches -= 1;
    while (resends[0] !== undefined && resends[0].inBatches <= 0) {
      const due = resends.shift();
      if (due !== undefined) yield due.batch;
    }
    if (random.chance(resendShare)) {
      resends.push({ inBatches: batchesUntilResend, batch: { ...batch, isResend: true } });
    }
  }

  for (const { site, by, touchpoint } of emissions) {
    const key = `${by}:${site}`;
    let batch = open.get(key);
    if (batch === undefined) open.set(key, (batch = { site, by, events: [], isResend: false }));
    batch.events.push(JSON.stringify(touchpoint));
    if (batch.events.length < batchSize) continue;
    open.delete(key);
    yield* finish(batch);
  }
  for (const batch of open.values()) yield* finish(batch);
  for (const { batch } of resends) yield batch;
}
