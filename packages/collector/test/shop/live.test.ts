import { setTimeout as sleep } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { LiveSite } from '../../src/home/live.ts';
import { createLog } from '../../src/operations/log.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';

let database: TestDatabase;
let live: LiveSite;
beforeAll(async () => {
  database = await createDatabase();
  const { siteId } = await createSite(database.pool);
  live = new LiveSite(database.pool, { site_id: siteId, name: 'Test', currency: 'EUR' }, createLog('silent'));
});
afterAll(async () => {
  live.close();
  await database.drop(); // waits for the last round of questions
});

const parts = ['stages', 'tiles', 'carts', 'freshness-worst', 'freshness', 'touchpoints', 'state'];

/** Which parts of the page a stream has told so far. */
function told(stream: Readable): string[] {
  const events: string[] = [];
  stream.setEncoding('utf8').on('data', (text: string) => {
    events.push(...[...text.matchAll(/^event: (.*)$/gm)].map(([, event = '']) => event));
  });
  return events;
}

test('whoever comes later is told everything too, and while nothing happens nothing is told', async () => {
  const first = live.watch();
  const firstTold = told(first);
  await vi.waitFor(() => expect(firstTold).toEqual(parts), { timeout: 10_000 });
  const second = live.watch();
  const secondTold = told(second);
  await sleep(1_500);
  expect({ firstTold, secondTold }).toEqual({ firstTold: parts, secondTold: parts });
  first.destroy();
  second.destroy();
});

test('the database is asked only while somebody watches', async () => {
  const query = vi.spyOn(database.pool, 'query');
  // a round of questions that was under way may end first
  const untilQuiet = () =>
    vi.waitFor(
      async () => {
        query.mockClear();
        await sleep(1_000);
        expect(query).not.toHaveBeenCalled();
      },
      { timeout: 15_000 },
    );
  await untilQuiet();
  const stream = live.watch();
  await vi.waitFor(() => expect(query).toHaveBeenCalled());
  stream.destroy();
  await untilQuiet();
  query.mockRestore();
});
