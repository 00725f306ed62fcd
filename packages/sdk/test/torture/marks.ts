import { gunzipSync } from 'node:zlib';

// Text that no encoding but compression and base64 changes.
const pattern = /mk-[a-z0-9]+-\d+-/g;

/** The mark of the `n`-th event of a run. Every event carries one, so that each can be found again. */
export function markOf(run: string, n: number): string {
  return `mk-${run}-${n}-`;
}

/** The marks in a request of whatever tracker: plain, compressed, or base64 within a form or its address. */
export function marksIn(url: string, body: Buffer): string[] {
  const text = decodeURIComponentSafely(url) + textOf(body);
  const marks = new Set(text.match(pattern));
  for (const [base64] of text.matchAll(/[A-Za-z0-9+/_-]{40,}={0,2}/g)) {
    for (const mark of Buffer.from(base64, 'base64').toString().match(pattern) ?? []) marks.add(mark);
  }
  return [...marks];
}

function textOf(body: Buffer): string {
  const isGzip = body[0] === 0x1f && body[1] === 0x8b;
  const text = (isGzip ? gunzipSync(body) : body).toString();
  return text.startsWith('data=') ? decodeURIComponentSafely(text) : text;
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not encoded
  }
}
