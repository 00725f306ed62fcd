import { bodyOf } from './batch.ts';
import { afterAttempt, retryAfterMs, type LossReason, type Outcome } from './delivery.ts';
import { delay, exclusively } from './lock.ts';
import { bytesOf, keepaliveBytes, overflowOf, takeBatch, type Entry } from './queue.ts';
import { attempt, type Store } from './storage.ts';

/** Collects calls made in a row into one request. */
const collectMs = 200;
const maxBatchEntries = 500;
const maxCharacters = 131_072;

export type SenderOptions = {
  endpoint: string;
  writeKey: string;
  store: Store;
  now: () => number;
  /** False while nothing may leave: consent not given, page not yet shown. */
  canSend: () => boolean;
  warn: (text: string) => void;
};

export type Sender = ReturnType<typeof createSender>;

/** The queue in the store and its way to the collector. Decisions are made in delivery.ts and queue.ts. */
export function createSender({ endpoint, writeKey, store, now, canSend, warn }: SenderOptions) {
  const prefix = `milepost.q.${writeKey}.`;
  const lockKey = `milepost.lock.${writeKey}`;
  const waitKey = `milepost.wait.${writeKey}`;
  const lossKey = `milepost.lost.${writeKey}`;
  /** What this page has queued itself: all that it may send without asking the other tabs. */
  const own = new Set<string>();
  const inFlight = new Set<string>();
  let bytesInFlight = 0;
  let failures = 0;
  let notBefore = 0;
  let maxEntries = maxBatchEntries;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let timerAt = 0;
  let draining: Promise<void> | undefined;

  const blockedUntil = () => Math.max(notBefore, +(store.get(waitKey) ?? 0));

  function waiting(): Entry[] {
    return store
      .keys()
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
      .filter((id) => !inFlight.has(id))
      .sort()
      .map((id) => ({ id, text: store.get(prefix + id) ?? '' }));
  }

  function forget(id: string) {
    own.delete(id);
    store.remove(prefix + id);
  }

  const losses = (): Record<string, number> => attempt(() => JSON.parse(store.get(lossKey)!)) ?? {};

  function lose(reason: string, count: number) {
    const lost = losses();
    lost[reason] = (lost[reason] ?? 0) + count;
    if (!lost[reason]) delete lost[reason];
    if (Object.keys(lost).length) store.set(lossKey, JSON.stringify(lost));
    else store.remove(lossKey);
  }

  function drop(ids: { id: string }[], reason: LossReason) {
    for (const { id } of ids) forget(id);
    lose(reason, ids.length);
  }

  function prune() {
    for (const entry of overflowOf(waiting(), now())) drop([entry], entry.reason);
  }

  /** Looks at the queue after `inMs`, or as soon as the collector allows it. */
  function wake(inMs = collectMs) {
    const at = Math.max(now() + inMs, blockedUntil());
    if (timer && at >= timerAt) return;
    clearTimeout(timer);
    timerAt = at;
    timer = setTimeout(() => {
      timer = undefined;
      void drain();
    }, at - now());
  }

  function bodyFor(batch: Entry[], lost?: Record<string, number>): string | undefined {
    const events = batch.flatMap((entry) => {
      try {
        const event = JSON.parse(entry.text);
        if (event.id === entry.id) return [event];
      } catch {
        // somebody else wrote into our queue
      }
      drop([entry], 'unreadable');
      return [];
    });
    if (!events.length) return undefined;
    return bodyOf(events, { writeKey, sentAt: new Date(now()).toISOString(), lost });
  }

  /** Starts the request at once, and settles when its answer has been dealt with. */
  async function send(batch: Entry[], body: string | Blob, keepalive: boolean) {
    const bytes = typeof body === 'string' ? bytesOf(body) : body.size;
    let outcome: Outcome = 'network_error';
    let judged: { id: string; status: string; reason?: string; detail?: string }[] = [];
    for (const { id } of batch) inFlight.add(id);
    if (keepalive) bytesInFlight += bytes;
    try {
      const response = await fetch(endpoint, {
        method: 'POST',
        body,
        keepalive,
        // a simple request in the sense of CORS: no preflight
        headers: { 'content-type': 'text/plain' },
        credentials: 'omit',
        signal: AbortSignal.timeout?.(30_000) ?? null,
      });
      if (response.status === 200) judged = (await response.json()).results;
      outcome = {
        status: response.status,
        retryAfterMs: retryAfterMs(response.headers.get('retry-after'), Date.now()),
      };
    } catch {
      // refused, offline, timed out, over the keepalive quota, or an answer that is not the collector's
    }
    if (keepalive) bytesInFlight -= bytes;
    for (const { id } of batch) inFlight.delete(id);
    // a 200 that judges nothing of ours is not the collector's: keep everything
    if (
      outcome !== 'network_error' &&
      outcome.status === 200 &&
      !judged.some(({ id }) => own.has(id) || store.get(prefix + id))
    ) {
      outcome = 'network_error';
    }

    const next = afterAttempt(outcome, ++failures, Math.random());
    if (next.kind === 'retry') {
      if (next.cause === 'told') store.set(waitKey, `${now() + next.inMs}`);
      else notBefore = now() + next.inMs;
      if (next.cause === 'refused')
        warn(`the collector answers ${(outcome as { status: number }).status}; check writeKey and host`);
      wake(0);
      return false;
    }
    failures = 0;
    if (next.kind === 'judged') {
      maxEntries = Math.min(maxEntries * 2, maxBatchEntries);
      for (const { id, reason, detail } of judged) {
        forget(id);
        if (reason) warn(`rejected: ${reason} ${detail ?? ''}`);
      }
    } else if (next.kind === 'drop') drop(batch, next.reason);
    else if (batch.length > 1) maxEntries = batch.length >> 1;
    else drop(batch, 'too_large');
    return next.kind === 'judged';
  }

  async function sendAll() {
    while (canSend() && blockedUntil() <= now()) {
      prune();
      const entries = waiting();
      const fitting = takeBatch(entries, { maxEntries, maxBytes: keepaliveBytes });
      const batch = fitting.length ? fitting : entries.slice(0, 1);
      if (!batch.length) break;
      const lost = losses();
      const text = bodyFor(batch, Object.keys(lost).length ? lost : undefined);
      if (!text) continue;
      let body: string | Blob = text;
      // below one network packet there is nothing to win
      if (text.length > 1_400 && globalThis.CompressionStream) {
        body = await new Response(
          new Blob([text]).stream().pipeThrough(new CompressionStream('gzip')),
        ).blob();
        // the page may have been hidden meanwhile, and sent them
        if (batch.some(({ id }) => inFlight.has(id))) continue;
      }
      const bytes = typeof body === 'string' ? bytesOf(body) : body.size;
      // after a failure without keepalive: perhaps the page has used up the quota itself
      const isDone = await send(
        batch,
        body,
        failures % 2 === 0 && bytesInFlight + bytes <= keepaliveBytes + 1_000,
      );
      if (isDone) for (const reason in lost) lose(reason, -lost[reason]!);
    }
    // the other tabs see what we removed a moment later
    await delay(50);
  }

  function drain(): Promise<void> {
    draining ??= exclusively(lockKey, store, sendAll)
      .catch((error: unknown) => warn(String(error)))
      .finally(() => {
        draining = undefined;
        if (canSend() && waiting().length) wake();
      });
    return draining;
  }

  return {
    /** Keeps one touchpoint, durably before it returns where the store can. */
    add(id: string, event: object) {
      let text;
      try {
        text = JSON.stringify(event);
      } catch {
        return lose('unreadable', 1);
      }
      if (text.length > maxCharacters) return lose('too_large', 1);
      own.add(id);
      store.set(prefix + id, text);
      if (own.size % 100 === 0) prune();
      wake();
    },
    wake,
    lose,
    /** Forgets earlier failures and tries at once; only a `Retry-After` still holds. */
    retry() {
      notBefore = 0;
      wake(0);
    },
    /** Sends this page's own touchpoints in the same task, for the page may be gone in the next. */
    sendNow() {
      if (!canSend() || blockedUntil() > now()) return;
      for (;;) {
        const entries = waiting().filter(({ id }) => own.has(id));
        const batch = takeBatch(entries, { maxEntries, maxBytes: keepaliveBytes - bytesInFlight });
        const body = batch.length && bodyFor(batch);
        if (!body) return;
        void send(batch, body, true);
      }
    },
    flush(timeoutMs = 5_000): Promise<void> {
      notBefore = 0;
      return Promise.race([drain(), delay(timeoutMs)]);
    },
    forgetAll: () => own.clear(),
  };
}
