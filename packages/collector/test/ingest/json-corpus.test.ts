import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite } from '../support/site.ts';
import { startCollector, type TestCollector } from './collector.ts';

type Text = { name: string; expect: 'accept' | 'reject' | 'either'; base64: string };

const file = new URL('../data/json-test-suite/texts.jsonl.gz', import.meta.url);
const texts = gunzipSync(readFileSync(file))
  .toString()
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Text)
  .map(({ base64, ...text }) => ({ ...text, bytes: Buffer.from(base64, 'base64') }));

let collector: TestCollector;
let writeKey: string;

beforeAll(async () => {
  collector = await startCollector();
  ({ writeKey } = await createSite(collector.database.pool));
});
afterAll(() => collector.stop());

const event = (bytes: Buffer) =>
  Buffer.concat([
    Buffer.from(
      '{"batch":[{"id":"a","name":"x","anonymous_id":"v","occurred_at":"2999-01-01T00:00:00Z","properties":{"p":',
    ),
    bytes,
    Buffer.from('}}]}'),
  ]);

test('there are 317 texts', () => expect(texts).toHaveLength(317));

test.each(texts)('$name as a body is answered with a clean 4xx', async ({ bytes }) => {
  const answer = await post(bytes);
  expect(answer.statusCode).toBe(400);
  expect(answer.json()).toMatchObject({
    type: expect.stringMatching(/^\/problems\/malformed-(json|batch)$/),
  });
});

test.each(texts)('$name as an event is answered with a clean 2xx or 4xx', async ({ bytes }) => {
  const answer = await post(Buffer.concat([Buffer.from('{"batch":['), bytes, Buffer.from(']}')]));
  expect([200, 400, 413]).toContain(answer.statusCode);
  if (answer.statusCode !== 200) return;
  const { results } = answer.json<{ results: { status: string }[] }>();
  for (const result of results)
    expect(result).toMatchObject({ status: 'rejected', reason: expect.any(String) });
});

test.each(texts)(
  '$name as a property is taken or refused as it should',
  async ({ bytes, expect: wanted }) => {
    const answer = await post(event(bytes));
    if (wanted === 'accept') {
      expect(answer.json()).toEqual({ results: [{ id: 'a', status: 'accepted' }] });
    } else if (wanted === 'reject') {
      // Some become JSON in these surroundings; none may break anything.
      expect([200, 400]).toContain(answer.statusCode);
    } else {
      expect([200, 400]).toContain(answer.statusCode);
    }
  },
);

function post(payload: Buffer) {
  return collector.app.inject({
    method: 'POST',
    url: '/v1/events',
    headers: { authorization: `Bearer ${writeKey}` },
    payload,
  });
}
