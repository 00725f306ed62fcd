import { retryAfterMs, type Outcome } from './delivery.ts';
import { keepaliveBytes } from './queue.ts';

/** What the collector says of one touchpoint. */
export type Verdict = { id: string; status: string; reason?: string; detail?: string };

/** Compresses where there is something to win: below one network packet there is not. */
export async function compressed(body: Blob): Promise<Blob> {
  if (body.size < 1_400 || !globalThis.CompressionStream) return body;
  return new Response(body.stream().pipeThrough(new CompressionStream('gzip'))).blob();
}

/** Sends bodies by fetch, and knows how much of the keepalive quota this page has in flight. */
export function createTransport(endpoint: string) {
  let bytesInFlight = 0;

  return {
    /** How much may still leave so that it outlives the page. */
    keepaliveLeft: () => keepaliveBytes - bytesInFlight,
    /**
     * One request, started before this returns. With `keepalive` it outlives the page where the quota allows.
     * It is a simple request in the sense of CORS: no preflight. Never rejects.
     */
    async post(
      body: Blob,
      { keepalive }: { keepalive: boolean },
    ): Promise<Outcome & { verdicts: Verdict[] }> {
      // the head of a batch is small, and not counted before
      keepalive &&= bytesInFlight + body.size < keepaliveBytes + 2_000;
      if (keepalive) bytesInFlight += body.size;
      try {
        const response = await fetch(endpoint, {
          method: 'POST',
          body,
          keepalive,
          headers: { 'content-type': 'text/plain' },
          credentials: 'omit',
          signal: AbortSignal.timeout?.(30_000) ?? null,
        });
        const { status, headers } = response;
        const verdicts: Verdict[] = status === 200 ? (await response.json()).results.filter(Boolean) : [];
        return { status, retryAfterMs: retryAfterMs(headers.get('retry-after'), Date.now()), verdicts };
      } catch {
        // refused, offline, timed out, over the quota, or a 200 that is not the collector's
        return { status: 0, retryAfterMs: 0, verdicts: [] };
      } finally {
        if (keepalive) bytesInFlight -= body.size;
      }
    },
  };
}
