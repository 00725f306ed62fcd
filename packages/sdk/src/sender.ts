import { bodyOf } from './batch.ts';
import { afterAttempt } from './delivery.ts';
import { delay, exclusively } from './lock.ts';
import type { Outbox } from './outbox.ts';
import { keepaliveBytes, takeBatch, type Entry } from './queue.ts';
import type { Store } from './storage.ts';
import { compressed, keepaliveLeft, post } from './transport.ts';
import { warn } from './warn.ts';

/** Collects calls made in a row into one request. */
const collectMs = 200;
const maxBatchEntries = 500;

/** What the sender needs to know. */
export type SenderOptions = {
  endpoint: string;
  writeKey: string;
  store: Store;
  outbox: Outbox;
  now: () => number;
  /** False while nothing may leave: consent not given, page not yet shown. */
  canSend: () => boolean | undefined;
};

/** Carries the outbox to the collector. What to do is decided in delivery.ts and queue.ts. */
export function createSender({ endpoint, writeKey, store, outbox, now, canSend }: SenderOptions) {
  const waitKey = `milepost.wait.${writeKey}`;
  const { inFlight } = outbox;
  let failures = 0;
  let notBefore = 0;
  let maxEntries = maxBatchEntries;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let timerAt = Infinity;
  let draining: Promise<void> | undefined;

  /** Until when the collector has asked all pages to wait. */
  const toldUntil = () => +(store.get(waitKey) ?? 0);

  /** Looks at the outbox after `inMs`, or as soon as the collector and earlier failures allow. */
  function wake(inMs = collectMs) {
    const at = Math.max(now() + inMs, notBefore, toldUntil());
    if (!canSend() || at >= timerAt) return;
    clearTimeout(timer);
    timerAt = at;
    timer = setTimeout(() => {
      timerAt = Infinity;
      void drain();
    }, at - now());
  }

  function bodyFor(batch: Entry[], lost?: Record<string, number>): Blob | undefined {
    const events = outbox.read(batch);
    if (!events.length) return undefined;
    return new Blob([bodyOf(events, { writeKey, sentAt: new Date(now()).toISOString(), lost })]);
  }

  /** Starts the request at once; resolves when its answer has been dealt with. `lost` is what the body tells. */
  async function send(
    batch: Entry[],
    body: Blob,
    failuresBefore: number,
    lost?: Record<string, number>,
  ): Promise<void> {
    for (const { id } of batch) inFlight.add(id);
    const outcome = await post(endpoint, body, failuresBefore);
    for (const { id } of batch) inFlight.delete(id);

    const judged = outcome.verdicts.filter((verdict) => batch.some(({ id }) => id === verdict.id));
    // a 200 that judges nothing of ours is not the collector's
    if (outcome.status === 200 && !judged.length) outcome.status = 0;
    const next = afterAttempt(outcome, ++failures, Math.random());
    if (next.inMs) {
      notBefore = now() + next.inMs;
      // all pages are asked to wait
      if (outcome.retryAfterMs) store.set(waitKey, String(notBefore));
      if (next.isRefused) warn('refused: check writeKey, host and origins');
      return wake(0);
    }
    failures = 0;
    if (next.reason) {
      if (next.reason === 'too_large' && batch.length > 1) maxEntries = batch.length >> 1;
      else for (const { id } of batch) outbox.drop(id, next.reason);
      return;
    }
    for (const reason in lost) outbox.lose(reason, -lost[reason]!);
    maxEntries = Math.min(maxEntries * 2, maxBatchEntries);
    for (const { id, reason, detail } of judged) {
      outbox.forget(id);
      if (reason) warn(`rejected: ${reason} ${detail ?? ''}`);
    }
  }

  async function sendAll() {
    while (canSend() && Math.max(notBefore, toldUntil()) <= now()) {
      outbox.prune();
      const entries = outbox.waiting();
      const fitting = takeBatch(entries, { maxEntries, maxBytes: keepaliveBytes });
      const batch = fitting.length ? fitting : entries.slice(0, 1);
      if (!batch.length) break;
      const lost = outbox.losses();
      const plain = bodyFor(batch, lost);
      if (!plain) continue;
      const body = await compressed(plain);
      // the page may have been hidden meanwhile, and sent them
      if (!batch.some(({ id }) => inFlight.has(id))) await send(batch, body, failures, lost);
    }
    // the other tabs see what we removed a moment later
    await delay(50);
  }

  function drain(): Promise<void> {
    draining ??= exclusively(`milepost.lock.${writeKey}`, store, sendAll)
      .catch((error: unknown) => warn(String(error)))
      .finally(() => {
        draining = undefined;
        if (outbox.waiting().length) wake();
      });
    return draining;
  }

  return {
    wake,
    /** Forgets earlier failures and tries at once; only a `Retry-After` still holds. */
    retry: () => {
      notBefore = 0;
      wake(0);
    },
    /** Sends this page's own touchpoints in the same task, for the page may be gone in the next. */
    sendNow: () => {
      if (!canSend() || toldUntil() > now()) return;
      for (;;) {
        const entries = outbox.waiting().filter(({ id }) => outbox.own.has(id));
        const batch = takeBatch(entries, { maxEntries, maxBytes: keepaliveLeft() });
        if (!batch.length) return;
        const body = bodyFor(batch);
        if (body) void send(batch, body, 0);
      }
    },
    /** Sends what is queued; see `Tracker.flush`. */
    flush(timeoutMs = 5_000): Promise<void> {
      // what is on its way already may have left before the last call
      const all = Promise.resolve(draining).then(() => {
        notBefore = 0;
        return drain();
      });
      return Promise.race([all, delay(timeoutMs)]);
    },
  };
}
