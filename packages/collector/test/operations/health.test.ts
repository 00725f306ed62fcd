import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCollector, touchpoint, type TestCollector } from '../ingest/collector.ts';
import { createSite } from '../support/site.ts';

let collector: TestCollector;
let guarded: TestCollector;
let isWriting = true;

beforeAll(async () => {
  collector = await startCollector({ isWriting: () => isWriting });
  guarded = await startCollector({ config: { metricsToken: 'a-token-of-length' } });
});
afterAll(async () => {
  await collector.stop();
  await guarded.stop();
});

const soon = () => new Promise((resolve) => setTimeout(resolve, 600));

test('/healthz answers as long as the process does', async () => {
  const answer = await collector.app.inject('/healthz');
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['x-request-id']).toBeTruthy();
});

test('/readyz tells which part is not ready', async () => {
  expect((await collector.app.inject('/readyz')).json()).toEqual({
    status: 'ready',
    checks: { buffer: true, database: true, writer: true },
  });
  isWriting = false;
  await soon();
  const withoutWriter = await collector.app.inject('/readyz');
  expect(withoutWriter.statusCode).toBe(503);
  expect(withoutWriter.json()).toMatchObject({ checks: { buffer: true, database: true, writer: false } });
  isWriting = true;

  const { pool } = collector.database;
  const query = pool.query.bind(pool);
  pool.query = () => Promise.reject(new Error('connection refused'));
  await soon();
  expect((await collector.app.inject('/readyz')).json()).toMatchObject({
    checks: { buffer: true, database: false },
  });
  pool.query = query;
});

test('/metrics counts what was accepted, rejected and refused', async () => {
  const { writeKey } = await createSite(collector.database.pool);
  const post = (payload: string) =>
    collector.app.inject({ method: 'POST', url: `/v1/events?k=${writeKey}`, payload });
  await post(JSON.stringify({ batch: [touchpoint(), touchpoint(), touchpoint({ anonymous_id: '' })] }));
  await post('no JSON');
  const { body } = await collector.app.inject('/metrics');
  expect(body).toContain('milepost_events_accepted_total 2');
  expect(body).toContain('milepost_events_rejected_total{reason="no_identity"} 1');
  expect(body).toContain('milepost_requests_refused_total{type="malformed-json"} 1');
  expect(body).toContain('milepost_buffer_entries 1');
  expect(body).toContain('nodejs_eventloop_lag_seconds');
});

test.each([
  { who: 'this machine', from: { remoteAddress: '127.0.0.1' }, status: 200 },
  { who: 'another machine', from: { remoteAddress: '192.0.2.9' }, status: 403 },
  {
    who: 'another machine that claims to be this one',
    from: { remoteAddress: '192.0.2.9', headers: { 'x-forwarded-for': '127.0.0.1' } },
    status: 403,
  },
  {
    who: "a proxy on this machine for another's sake",
    from: { headers: { 'x-forwarded-for': '192.0.2.9' } },
    status: 403,
  },
])('without a token /metrics answers $who $status', async ({ from, status }) => {
  expect((await collector.app.inject({ url: '/metrics', ...from })).statusCode).toBe(status);
});

test.each([
  { header: 'Bearer a-token-of-length', status: 200 },
  { header: 'Bearer a-token-of-lengtH', status: 403 },
  { header: 'Bearer a-token', status: 403 },
  { header: undefined, status: 403 },
])('with a token set, /metrics answers "$header" $status', async ({ header, status }) => {
  const answer = await guarded.app.inject({
    url: '/metrics',
    remoteAddress: '192.0.2.9',
    headers: header ? { authorization: header } : {},
  });
  expect(answer.statusCode).toBe(status);
});
