import { gunzipSync } from 'node:zlib';
import { Problem } from '../problems.ts';

const nothing = Buffer.alloc(0);

export type BodyLimits = { maxBytes: number; maxGzipRatio: number };

/**
 * The JSON text of a request's body, as bytes. Gzip is told by its first two bytes, never by the headers: some
 * clients label it wrongly, some proxies unpack it and leave the label, and no JSON begins with them.
 */
export function jsonOf(body: unknown, limits: BodyLimits): Buffer {
  const raw = Buffer.isBuffer(body) ? body : nothing;
  const json = raw[0] === 0x1f && raw[1] === 0x8b ? unpacked(raw, limits) : raw;
  // A byte order mark is not JSON, but some editors and languages write one.
  return json[0] === 0xef && json[1] === 0xbb && json[2] === 0xbf ? json.subarray(3) : json;
}

function unpacked(packed: Buffer, { maxBytes, maxGzipRatio }: BodyLimits): Buffer {
  // The first few bytes of any gzip are overhead, so that a short honest body is not taken for a bomb.
  const maxOutputLength = Math.min(maxBytes, packed.length * maxGzipRatio);
  try {
    // A MiB takes a few milliseconds; a thread would take longer to reach, and thousands waiting for one much memory.
    return gunzipSync(packed, { maxOutputLength });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new Problem(
        'body-too-large',
        `Unpacked, a body may have ${maxBytes} bytes and ${maxGzipRatio} times its packed size: send less at a time.`,
      );
    }
    throw new Problem(
      'malformed-gzip',
      'The body begins like gzip but cannot be unpacked: pack it again, or send plain JSON.',
    );
  }
}
