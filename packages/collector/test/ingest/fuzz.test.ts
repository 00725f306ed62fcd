import { newId } from '@milepost/shared';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { residentMegabytes } from '../support/memory.ts';
import { createSite } from '../support/site.ts';
import { fuzz } from './fuzz.ts';
import { serve, temporaryFolder } from './served.ts';

// Some in every run of the suite, always the same; `npm run bench -- --only fuzz` looks at a million.
const requests = 800;
const seed = 1;

test(`${requests} hostile requests: none is answered by a 5xx, and what comes after is stored`, async () => {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const { siteId, writeKey, secretKey } = await createSite(database.pool);
  const collector = await serve(database.url, temporaryFolder(), { RATE_LIMIT: '0' });
  const { answers, failed } = await fuzz({ url: collector.url, writeKey, secretKey, requests, seed });
  expect(failed).toEqual([]);
  expect(answers.get(200)).toBeGreaterThan(requests / 4);
  expect(residentMegabytes(collector.pid)).toBeLessThan(400);

  const id = newId();
  const body = JSON.stringify({ batch: [{ id, name: 'x', anonymous_id: 'ada', occurred_at: Date.now() }] });
  const last = await fetch(`${collector.url}/v1/events?k=${writeKey}`, { method: 'POST', body });
  expect(await last.json()).toEqual({ results: [{ id, status: 'accepted' }] });
  expect(await collector.end('SIGTERM')).toBe(0);
  const { rows } = await database.pool.query(
    `select
       (select count(*)::integer from store.touchpoints where site_id = $1 and touchpoint_id = $2) as stored,
       (select count(*)::integer from store.batches) as underived`,
    [siteId, id],
  );
  expect(rows).toEqual([{ stored: 1, underived: 0 }]);
}, 60_000);
