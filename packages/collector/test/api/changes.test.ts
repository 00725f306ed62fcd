/** The change feed over HTTP. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Change } from '../../src/api/change-schema.ts';
import { changeStream } from '../../src/api/change-stream.ts';
import type { FeedPage } from '../../src/api/changes.ts';
import { revokeKey } from '../../src/database/keys.ts';
import { Deriver } from '../../src/derive/derive.ts';
import { storeGiven, type Given } from '../derive/given.ts';
import { touchpointsOfHouseholds } from '../derive/households.ts';
import { createSite } from '../support/site.ts';
import type { TestSite } from '../support/site.ts';
import { EventReader } from './events.ts';
import { given, startApi } from './fixture.ts';
import type { TestApi } from './fixture.ts';

type Page = { changes: Change[]; next_cursor: string; has_more: boolean };

let api: TestApi;
let url: string;
beforeAll(async () => {
  api = await startApi();
  url = await api.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => api.stop());

const pageOf = async (site: TestSite, query = ''): Promise<Page> => {
  const answer = await api.get(`/v1/changes${query}`, site.secretKey);
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json<Page>();
};

/** Pages from a cursor to the end. */
async function restOf(site: TestSite, query: string, cursor?: string): Promise<Change[]> {
  const found: Change[] = [];
  for (let next = cursor; ;) {
    const page = await pageOf(site, `?${query}${next === undefined ? '' : `&cursor=${next}`}`);
    found.push(...page.changes);
    next = page.next_cursor;
    if (!page.has_more) return found;
  }
}

const storedChanges = async (site: TestSite) => {
  const { rows } = await api.pool.query<{ type: string; subject_id: string; person_id: string }>(
    'select type, subject_id, person_id from store.changes where site_id = $1 order by cursor',
    [site.siteId],
  );
  return rows;
};
const keyed = ({
  type,
  subject_id,
  person_id,
}: {
  type: string;
  subject_id: string;
  person_id: string | null;
}) => `${type} ${subject_id} ${person_id}`;

const start = Date.now() - 48 * 3_600_000;
const buyers = (count: number, from = 0): Given[] =>
  Array.from({ length: count }, (_, index) => ({
    at: start + (from + index) * 1_000,
    name: 'purchase',
    user_id: `buyer-${from + index}`,
    properties: { transaction_id: `order-${from + index}`, currency: 'EUR', value: 10 },
  }));

test('a consumer that pages while four writers and two derivers are at work gets every change once, in order', async () => {
  const site = await createSite(api.pool);
  const touchpoints = touchpointsOfHouseholds(16);
  let isWriting = true;
  const derivers = [0, 1].map(async () => {
    const deriver = await Deriver.open(api.pool);
    while (isWriting) {
      await deriver.deriveBatches();
      await deriver.fireTriggers();
    }
    while ((await deriver.deriveBatches()) > 0);
    await deriver.advanceClocks();
    await deriver.close();
  });
  let isRead = false;
  const reading = (async () => {
    const found: Change[] = [];
    let cursor: string | undefined;
    for (;;) {
      const isLast = isRead;
      const query: string = cursor === undefined ? '?limit=37' : `?limit=37&cursor=${cursor}`;
      const page = await pageOf(site, query);
      found.push(...page.changes);
      cursor = page.next_cursor;
      if (isLast && !page.has_more) return found;
    }
  })();

  await Promise.all(
    [0, 1, 2, 3].map(async (writer) => {
      // an identity always takes the same writer; backwards, so that nearly every batch corrects
      const own = touchpoints
        .filter(({ anonymous_id, user_id }) => Number((anonymous_id ?? user_id!).at(-1)) % 4 === writer)
        .toReversed();
      for (let from = 0; from < own.length; from += 41) {
        await storeGiven(api.pool, site, own.slice(from, from + 41), { lane: writer });
      }
    }),
  );
  isWriting = false;
  await Promise.all(derivers);
  isRead = true;
  const found = await reading;

  const stored = await storedChanges(site);
  expect(stored.length).toBeGreaterThan(100);
  expect(found.map(keyed)).toEqual(stored.map(keyed)); // once, none left out, in the order of the table

  // and what it tells is what became of it: the last word on each person, cart and order is what the tables say
  const stages = new Map<string, unknown>();
  const merged = new Set<string>();
  for (const change of found) {
    expect(merged).not.toContain(change.person_id); // all of a person, the merge, then the one that stays
    if (change.type === 'person.merged') merged.add(change.subject_id);
    if (change.type === 'stage.changed') {
      stages.set(change.person_id!, (change.after as { stage: string } | null)?.stage);
    }
  }
  for (const person of merged) stages.delete(person);
  const { rows: persons } = await api.pool.query<{ person_id: string; stage: string }>(
    'select person_id, stage from journey.current_stages where site_id = $1',
    [site.siteId],
  );
  const present = [...stages].filter(([, stage]) => stage !== undefined);
  expect(Object.fromEntries(present)).toEqual(
    Object.fromEntries(persons.map(({ person_id, stage }) => [person_id, stage])),
  );
}, 90_000);

describe('a page', () => {
  let site: TestSite;
  beforeAll(async () => {
    site = await createSite(api.pool);
    await given(api, site, buyers(30));
  });

  test('holds what follows the cursor, and says where it ends', async () => {
    const first = await pageOf(site, '?limit=20');
    expect(first.changes).toHaveLength(20);
    expect(first.has_more).toBe(true);
    expect(first.next_cursor).toBe(first.changes.at(-1)?.cursor);
    const all = await restOf(site, 'limit=7');
    expect(all.map(keyed)).toEqual((await storedChanges(site)).map(keyed));
  });

  test('at the end is empty, with a cursor that what comes later follows', async () => {
    const end = await pageOf(site, '?start=latest');
    expect(end).toMatchObject({ changes: [], has_more: false });
    await given(api, site, buyers(1, 30));
    const next = await pageOf(site, `?cursor=${end.next_cursor}&type=order.placed`);
    expect(next.changes).toMatchObject([{ type: 'order.placed', subject_id: 'order-30', origin: 'live' }]);
    expect((await pageOf(site, `?cursor=${next.next_cursor}`)).changes).toEqual([]);
  });

  test('is filtered by type, origin and person', async () => {
    const orders = await restOf(site, 'limit=4&type=order.placed,order.refunded&origin=live');
    expect(orders.length).toBeGreaterThanOrEqual(30);
    expect(new Set(orders.map(({ type }) => type))).toEqual(new Set(['order.placed']));
    expect(await restOf(site, 'origin=import')).toEqual([]);
    const person = orders[3]!.person_id!;
    const own = await restOf(site, `limit=1&person_id=${person}`);
    expect(own.map(({ type }) => type).sort()).toEqual(['order.placed', 'stage.changed']);
    expect(new Set(own.map(({ person_id }) => person_id))).toEqual(new Set([person]));
  });

  test.each(['type=stage', 'type=', 'origin=late,nowhere', 'person_id=ada', 'start=now'])(
    '%s is refused',
    async (query) => {
      const answer = await api.get(`/v1/changes?${query}`, site.secretKey);
      expect(answer.json()).toMatchObject({ status: 400, type: '/problems/invalid-query' });
    },
  );

  test('answers CSV whose last line says where to go on', async () => {
    const { changes } = await pageOf(site, '?limit=3');
    const answer = await api.get('/v1/changes?limit=3', site.secretKey, { accept: 'text/csv' });
    const lines = answer.body.trim().split('\r\n');
    expect(lines[0]).toBe('cursor,type,person_id,subject_id,occurred_at,recorded_at,origin,before,after');
    expect(lines.slice(1).map((line) => line.split(',')[0])).toEqual(changes.map(({ cursor }) => cursor));
    expect(answer.headers.link).toMatch('rel="next"');
  });

  test('a cursor of another site, or of a list, is refused', async () => {
    const other = await createSite(api.pool);
    const { next_cursor: cursor } = await pageOf(site, '?limit=1');
    for (const [path, key] of [
      [`/v1/changes?cursor=${cursor}`, other.secretKey],
      [`/v1/changes?cursor=${cursor}x`, site.secretKey],
      [`/v1/orders?cursor=${cursor}`, site.secretKey],
    ] as const) {
      expect((await api.get(path, key)).json()).toMatchObject({ type: '/problems/invalid-cursor' });
    }
    expect((await pageOf(other)).changes).toEqual([]);
  });

  test('holds no plain address or number', async () => {
    const own = await createSite(api.pool);
    const traits = { email: 'ada@example.org', phone: '+49 30 1', first_name: 'Ada' };
    await given(api, own, [{ at: start, name: 'page_view', user_id: 'ada' }]);
    await given(api, own, [{ at: start + 1_000, type: 'identify', user_id: 'ada', traits }]);
    const told = JSON.stringify(await restOf(own, 'type=person.changed'));
    expect(told).toMatch('first_name');
    expect(told).not.toMatch(/ada@example|\+49/);
  });
});

test('a rare type among many changes is found by pages that each look a little further', async () => {
  const site = await createSite(api.pool);
  await api.pool.query(
    `with numbers as (select n from generate_series(1, 45001) as numbers (n)),
       feed as (insert into store.feeds (site_id, last_cursor) values ($1, 45001))
     insert into store.changes (site_id, cursor, type, subject_id, occurred_at, origin)
     select $1, n, case n when 45001 then 'order.refunded' else 'stage.changed' end, n::text, now(), 'live' from numbers`,
    [site.siteId],
  );
  const first = await pageOf(site, '?type=order.refunded');
  expect(first).toMatchObject({ changes: [], has_more: true });
  expect(
    (await restOf(site, 'type=order.refunded', first.next_cursor)).map(({ subject_id }) => subject_id),
  ).toEqual(['45001']);
});

test('a cursor whose changes were dropped answers 410 with the way to begin anew', async () => {
  const site = await createSite(api.pool);
  await given(api, site, buyers(20));
  const { next_cursor: old } = await pageOf(site, '?limit=1');
  const before = await restOf(site, 'limit=100');
  await api.pool.query(
    "update store.changes set recorded_at = now() - interval '91 days' where site_id = $1 and cursor <= 10",
    [site.siteId],
  );
  await api.pool.query('select store.drop_old_changes(now(), 1000)');

  for (const path of [`/v1/changes?cursor=${old}`, `/v1/changes/stream?cursor=${old}`]) {
    const answer = await api.get(path, site.secretKey);
    expect(answer.statusCode).toBe(410);
    expect(answer.json()).toMatchObject({ type: '/problems/cursor-expired', status: 410 });
    expect(answer.json<{ detail: string }>().detail).toMatch('/v1/changes?start=latest');
  }
  expect(await restOf(site, 'limit=100')).toEqual(before.slice(10)); // from the oldest that is kept
  expect(await restOf(site, '', before[9]!.cursor)).toEqual(before.slice(10)); // just what was dropped was read
});

describe('the stream', () => {
  const open = async (site: TestSite, query = '', headers: Record<string, string> = {}) => {
    const reader = await EventReader.open(`${url}/v1/changes/stream${query}`, {
      authorization: `Bearer ${site.secretKey}`,
      ...headers,
    });
    onTestFinished(() => reader.close());
    return reader;
  };

  test('tells each change with its cursor as id, and goes on behind Last-Event-ID', async () => {
    const site = await createSite(api.pool);
    await given(api, site, buyers(4));
    const all = await restOf(site, '');
    const reader = await open(site, '?start=oldest');
    expect(reader.status).toBe(200);
    expect(reader.headers.get('content-type')).toMatch('text/event-stream');
    for (const change of all.slice(0, 5)) {
      expect(await reader.nextChange()).toEqual({ id: change.cursor, event: change.type, change });
    }
    reader.close();

    const again = await open(site, '', { 'last-event-id': all[4]!.cursor });
    for (const change of all.slice(5)) expect((await again.nextChange())?.change).toEqual(change);
    await given(api, site, buyers(1, 4));
    expect((await again.nextChange())?.change).toMatchObject({ subject_id: expect.any(String) as string });
  });

  test('tells what comes from now on where no place is named, filtered as pages are', async () => {
    const site = await createSite(api.pool);
    await given(api, site, buyers(2));
    const reader = await open(site, '?type=order.placed');
    await reader.next(); // where it begins
    await given(api, site, buyers(1, 2));
    expect(await reader.nextChange()).toMatchObject({ change: { subject_id: 'order-2' } });
  });

  test('ends when its key is revoked or the collector closes, and refuses like every route', async () => {
    const site = await createSite(api.pool, { scopes: ['read:orders'] });
    const refused = await open(site);
    expect(refused.status).toBe(403);

    const own = await startApi();
    const ownUrl = await own.app.listen({ host: '127.0.0.1', port: 0 });
    const ownSite = await createSite(own.pool);
    const reader = await EventReader.open(`${ownUrl}/v1/changes/stream`, {
      authorization: `Bearer ${ownSite.secretKey}`,
    });
    await reader.next();
    await Promise.all([own.stop(), reader.next().catch(() => undefined)]);
    await revokeKey(api.pool, site.secretKey);
  });

  test('a reader that takes nothing is cut off, holding no more than a page meanwhile', async () => {
    const site = await createSite(api.pool);
    await given(api, site, buyers(50));
    const { hostname, port } = new URL(url);
    const sleeper = connect(Number(port), hostname);
    onTestFinished(() => void sleeper.destroy());
    await once(sleeper, 'connect');
    sleeper.pause();
    sleeper.write(
      `GET /v1/changes/stream?start=oldest HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${site.secretKey}\r\n\r\n`,
    );
    // others are told meanwhile
    const reader = await open(site, '?start=oldest');
    expect(await reader.nextChange()).toBeDefined();
  });
});

describe('the stream by itself', () => {
  const change = (number: number): Change => ({
    cursor: String(number),
    type: 'stage.changed',
    person_id: null,
    subject_id: 'x'.repeat(1_000),
    occurred_at: '2026-01-05T10:00:00.000Z',
    recorded_at: '2026-01-05T10:00:00.000Z',
    origin: 'live',
    before: null,
    after: null,
  });
  const endless = (from: number): FeedPage => ({
    rows: Array.from({ length: 50 }, (_, index) => change(from + index + 1)),
    position: from + 50,
    hasMore: true,
  });
  const quiet: FeedPage = { rows: [], position: 7, hasMore: false };
  const options = {
    position: 0,
    cursorOf: String,
    isAllowed: async () => true,
    wait: async (_: number, patienceMs: number, signal: AbortSignal) => {
      await new Promise<void>((resolve) => {
        setTimeout(resolve, patienceMs);
        signal.addEventListener('abort', () => resolve());
      });
    },
  };

  test('reads a page only when the one before was taken, and drops who takes none', async () => {
    let pagesRead = 1;
    const stream = changeStream({
      ...options,
      first: endless(0),
      read: async (position) => {
        pagesRead += 1;
        return endless(position);
      },
      times: { heartbeatMs: 60_000, stallMs: 100 },
    });
    stream.on('error', () => {});
    await once(stream, 'close'); // nobody reads
    expect(pagesRead).toBeLessThanOrEqual(3);
    expect(stream.destroyed).toBe(true);
  });

  test('says with each heartbeat how far the reader is, and ends when the key is no good any more', async () => {
    let isAllowed = true;
    const stream = changeStream({
      ...options,
      first: quiet,
      read: async () => quiet,
      isAllowed: async () => isAllowed,
      times: { heartbeatMs: 20, stallMs: 1_000 },
    });
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('still here')) isAllowed = false;
    });
    await once(stream, 'end');
    expect(text).toMatch(/^retry: 2000\nid: 0\n\n: still here\nid: 7\n\n/);
  });
});
