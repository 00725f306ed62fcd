import { newId } from '@milepost/shared';
import { gzipSync } from 'node:zlib';

/** A source of whole numbers below `limit`, the same for the same seed. */
export type Draw = (limit: number) => number;

export function drawOf(seed: number): Draw {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** Values as JSON text: some cannot be written by `JSON.stringify` at all. */
const values: readonly string[] = [
  'null',
  'true',
  '0',
  '-0',
  '1e400',
  '-1e400',
  '123456789012345678901234567890',
  '1e-400',
  '""',
  '"\\u0000"',
  '"a\\u0000b"',
  '"\\ud800"',
  '"\\udfff\\ud800"',
  '"\\\\u0000"',
  `"'; drop table store.touchpoints; --"`,
  `"$1 \\\\N \\\\. \\t \\n {a,b} \\"quoted\\""`,
  '"__proto__"',
  '"constructor"',
  '[]',
  '{}',
  '{"__proto__":{"isAdmin":true}}',
  '{"constructor":{"prototype":{"isAdmin":true}}}',
  '{"toString":1,"hasOwnProperty":2,"length":-1}',
  '[[[[[[[[[[1]]]]]]]]]]',
  '"9999-99-99T99:99:99Z"',
  '"0000-01-01"',
  '-62135596800001',
  '8.64e15',
  '"<script>alert(1)</script>"',
  '"\\u202e\\ufeff\\u0085"',
];

const fields: readonly string[] = [
  'id',
  'name',
  'anonymous_id',
  'user_id',
  'user_proof',
  'identities',
  'previous_id',
  'account_id',
  'occurred_at',
  'sequence',
  'type',
  'properties',
  'traits',
  'context',
  'source',
  '__proto__',
  'constructor',
  'hasOwnProperty',
];

function valueOf(draw: Draw): string {
  const kind = draw(400); // the large ones are rare: they cost as much as all the others
  if (kind === 0) return '['.repeat(draw(10_000)) + ']'.repeat(draw(10_000));
  if (kind === 1) {
    const depth = draw(10_000);
    return `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  }
  if (kind === 2) return `"${'x'.repeat(draw(200_000))}"`;
  if (kind === 3)
    return `{${Array.from({ length: draw(2_000) }, (_, index) => `"k${index}":${index}`).join(',')}}`;
  if (kind < 60) return `{"${fields[draw(fields.length)]}":${values[draw(values.length)]}}`;
  return values[draw(values.length)]!;
}

function eventOf(draw: Draw): string {
  if (draw(20) === 0) return valueOf(draw);
  const event: Record<string, string> = {
    id: `"${newId()}"`,
    name: '"page_view"',
    anonymous_id: `"visitor-${draw(100_000)}"`,
    occurred_at: String(Date.now()),
  };
  let text = Object.entries(event)
    .map(([name, value]) => `"${name}":${draw(12) === 0 ? valueOf(draw) : value}`)
    .join(',');
  for (let more = draw(4); more > 0; more -= 1) text += `,"${fields[draw(fields.length)]}":${valueOf(draw)}`;
  return `{${text}}`;
}

export type HostileRequest = {
  method: 'GET' | 'POST' | 'PUT' | 'OPTIONS';
  url: string;
  headers: Record<string, string>;
  body: Buffer;
  /** The client hangs up in the middle of the body. */
  isCut: boolean;
};

const urls = [
  '/v1/events',
  '/v1/events',
  '/v1/events',
  '/v1/track',
  '/v1/identify',
  '/v1/batch',
  '/v1/alias',
];

const quickly = { level: 1 };
const bomb = gzipSync(Buffer.alloc(20_000_000));

/** A body of events: of values as they should be and as they should not. */
export function hostileBody(draw: Draw): Buffer {
  const events = Array.from({ length: draw(6) }, () => eventOf(draw));
  return Buffer.from(
    draw(15) === 0
      ? valueOf(draw)
      : `{"sent_at":${draw(4) === 0 ? valueOf(draw) : Date.now()},"batch":[${events.join(',')}]` +
          `${draw(6) === 0 ? `,"context":${valueOf(draw)}` : ''}${draw(12) === 0 ? `,"lost":${valueOf(draw)}` : ''}}`,
  );
}

/** A request with events as nobody in his senses sends it. */
export function hostileRequest(draw: Draw, key: string): HostileRequest {
  let body = hostileBody(draw);
  const damage = draw(14);
  if (damage === 0) body = body.subarray(0, draw(body.length + 1));
  if (damage === 1 && body.length > 0) body[draw(body.length)] = draw(256);
  if (damage === 2) body = gzipSync(body, quickly);
  if (damage === 3) body = gzipSync(body.subarray(0, 100)).subarray(0, draw(40));
  if (damage === 4 && draw(20) === 0) body = bomb;
  const headers: Record<string, string> = {};
  if (draw(10) > 0) headers['authorization'] = `Bearer ${draw(30) === 0 ? 'wk_no' : key}`;
  if (draw(5) === 0) headers['cookie'] = `a=${'x'.repeat(draw(20_000))}`;
  if (draw(8) === 0) headers['content-encoding'] = ['gzip', 'br', 'identity', ';'][draw(4)]!;
  if (draw(8) === 0) headers['origin'] = ['null', 'https://shop.example', 'x', 'https://'][draw(4)]!;
  if (draw(8) === 0)
    headers['user-agent'] = ['ü', '?', "'; drop table x; --", '\t'][draw(4)]!.repeat(draw(300));
  if (draw(20) === 0) for (let count = draw(100); count > 0; count -= 1) headers[`x-${count}`] = 'y';
  const method = draw(25) === 0 ? (['GET', 'PUT', 'OPTIONS'] as const)[draw(3)]! : 'POST';
  if (method === 'GET') body = Buffer.alloc(0);
  return { method, url: urls[draw(urls.length)]!, headers, body, isCut: body.length > 1 && draw(50) === 0 };
}
