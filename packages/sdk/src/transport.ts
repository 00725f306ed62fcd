import { retryAfterMs, type Outcome } from './delivery.ts';
import { keepaliveBytes } from './queue.ts';

/** What the collector says of one touchpoint. */
export type Verdict = { id: string; status: string; reason?: string; detail?: string };

/** Compresses where there is something to win: below one network packet there is not. */
export async function compressed(body: Blob): Promise<Blob> {
  if (body.size < 1_400 || !globalThis.CompressionStream) return body;
  return new Response(body.stream().pipeThrough(new CompressionStream('gzip'))).blob();
}

// the quota is the page's, so all trackers of the page share it
let bytesInFlight = 0;

/** How much may still leave so that it outlives the page. */
export const keepaliveLeft = (): number => keepaliveBytes - bytesInFlight;

/**
 * One request, started before this returns. It outlives the page where the quota allows, except after an odd number
 * of failures in a row: perhaps the page itself has used up the quota. It is a simple request in the sense of CORS:
 * no preflight. Never rejects.
 */
export async function post(
  endpoint: string,
  body: Blob,
  failures: number,
): Promise<Outcome & { verdicts: Verdict[] }> {
  // the head of a batch is small, and not counted before
  const bytes = failures % 2 || body.size > keepaliveLeft() + 2_000 ? 0 : body.size;
  bytesInFlight += bytes;
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      body,
      keepalive: !!bytes,
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
    bytesInFlight -= bytes;
  }
}
