import { bodyOf } from './batch.ts';
import { afterAttempt } from './delivery.ts';
import { delay, exclusively } from './lock.ts';
import type { Outbox } from './outbox.ts';
import { keepaliveBytes, takeBatch, type Entry } from './queue.ts';
import type { Store } from './storage.ts';
import { compressed, createTransport } from './transport.ts';

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
  canSend: () => boolean;
  warn: (text: string) => void;
};

/** Carries the outbox to the collector. What to do is decided in delivery.ts and queue.ts. */
export function createSender({ endpoint, writeKey, store, outbox, now, canSend, warn }: SenderOptions) {
  const waitKey = `milepost.wait.${writeKey}`;
  const { inFlight } = outbox;
  const transport = createTransport(endpoint);
  let failures = 0;
  let notBefore = 0;
  let maxEntries = maxBatchEntries;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let timerAt = 0;
  let draining: Promise<void> | undefined;

  /** Until when the collector has asked all pages to wait. */
  const toldUntil = () => +(store.get(waitKey) ?? 0);

  /** Looks at the outbox after `inMs`, or as soon as the collector and earlier failures allow. */
  function wake(inMs = collectMs) {
    const at = Math.max(now() + inMs, notBefore, toldUntil());
    if (!canSend() || (timer && at >= timerAt)) return;
    clearTimeout(timer);
    timerAt = at;
    timer = setTimeout(() => {
      timer = undefined;
      void drain();
    }, at - now());
  }

  function bodyFor(batch: Entry[], lost?: Record<string, number>): Blob | undefined {
    const events = outbox.read(batch);
    if (!events.length) return undefined;
    return new Blob([bodyOf(events, { writeKey, sentAt: new Date(now()).toISOString(), lost })]);
  }

  /** Starts the request at once; resolves when its answer has been dealt with, with whether it judged anything. */
  async function send(batch: Entry[], body: Blob, how: { keepalive: boolean }): Promise<boolean> {
    for (const { id } of batch) inFlight.add(id);
    const outcome = await transport.post(body, how);
    for (const { id } of batch) inFlight.delete(id);

    const judged = outcome.verdicts.filter((verdict) => batch.some(({ id }) => id === verdict.id));
    // a 200 that judges nothing of ours is not the collector's
    if (outcome.status === 200 && !judged.length) outcome.status = 0;
    const next = afterAttempt(outcome, ++failures, Math.random());
    if (next.inMs) {
      notBefore = now() + next.inMs;
      // all pages are asked to wait
      if (outcome.retryAfterMs) store.set(waitKey, String(notBefore));
      if (next.isRefused) warn('refused; check writeKey, host and allowed origins');
      wake(0);
      return false;
    }
    failures = 0;
    if (next.reason) {
      if (next.reason === 'too_large' && batch.length > 1) maxEntries = batch.length >> 1;
      else outbox.drop(batch, next.reason);
      return false;
    }
    maxEntries = Math.min(maxEntries * 2, maxBatchEntries);
    for (const { id, reason, detail } of judged) {
      outbox.forget(id);
      if (reason) warn(`rejected: ${reason} ${detail ?? ''}`);
    }
    return true;
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
      if (batch.some(({ id }) => inFlight.has(id))) continue;
      // after a failure without keepalive: perhaps the page itself has used up the quota
      const isTold = await send(batch, body, { keepalive: failures % 2 === 0 });
      if (isTold) for (const reason in lost) outbox.lose(reason, -lost[reason]!);
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
    retry() {
      notBefore = 0;
      wake(0);
    },
    /** Sends this page's own touchpoints in the same task, for the page may be gone in the next. */
    sendNow() {
      if (!canSend() || toldUntil() > now()) return;
      for (;;) {
        const entries = outbox.waiting().filter(({ id }) => outbox.own.has(id));
        const batch = takeBatch(entries, { maxEntries, maxBytes: transport.keepaliveLeft() });
        if (!batch.length) return;
        const body = bodyFor(batch);
        if (body) void send(batch, body, { keepalive: true });
      }
    },
    /** Sends what is queued; see `Tracker.flush`. */
    flush(timeoutMs = 5_000): Promise<void> {
      notBefore = 0;
      return Promise.race([drain(), delay(timeoutMs)]);
    },
  };
}
