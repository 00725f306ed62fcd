import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { startCollector, touchpoint } from '../ingest/collector.ts';
import { createLog } from '../../src/operations/log.ts';
import { createSite } from '../support/site.ts';

test('the log names the route and the problem, and neither keys nor persons', async () => {
  const lines: string[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => (lines.push(chunk.toString()), done()),
  });
  const collector = await startCollector({ log: createLog('trace', sink) });
  try {
    const { writeKey, secretKey } = await createSite(collector.database.pool, { allowed_origins: [] });
    const send = (url: string, headers: Record<string, string>, payload: string) =>
      collector.app.inject({ method: 'POST', url, headers, payload, remoteAddress: '198.51.100.77' });
    const body = JSON.stringify({ batch: [touchpoint({ user_id: 'ada@example.org' })] });
    await send(`/v1/events?k=${writeKey}`, {}, body);
    await send(`/v1/events?k=${writeKey}`, { origin: 'https://x.example', cookie: 'secret-cookie' }, body);
    await send(`/v1/events?k=${secretKey}`, {}, body);
    await send('/v1/events', { authorization: `Bearer ${secretKey}`, origin: 'https://x.example' }, body);
    await send('/v1/events', { authorization: `Bearer ${writeKey}` }, 'ada@example.org');
    await collector.app.inject('/v1/nothing?user=ada@example.org');
  } finally {
    await collector.stop();
  }
  const log = lines.join('');
  expect(log).toContain('origin-not-allowed');
  expect(log).toContain('"route":"/v1/events"');
  expect(log).not.toMatch(/[ws]k_|ada|198\.51|cookie/);
});
