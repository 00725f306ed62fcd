/** When triggers fire: past the watermark, once, whatever dies meanwhile. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import pg from 'pg';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { deriveUntilIdle } from '../../src/derive/index.ts';
import { importFile } from '../../src/import/import.ts';
import { fireTriggers, silentCollectors } from '../../src/triggers/firing.ts';
import { database } from '../derive/fixture.ts';
import { type Given, makeSite, removeSite, type Site, storeGiven } from '../derive/given.ts';
import { choices, deliveryOf, history, someSettings } from '../derive/histories.ts';
import { expectAsReference, expectVerified, rowsOfViews } from '../derive/views.ts';
import { CollectorProcess, freePort } from '../ingest/process.ts';
import { createDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';
import { propertyRuns } from '../support/properties.ts';

const boots = { item_id: 'boots', quantity: 1, price: 120.5 };
const at = (time: string) => Date.parse(`2026-01-05T${time}Z`);
const add = (time: string, who = 'ada'): Given => ({
  anonymous_id: who,
  at: at(time),
  name: 'add_to_cart',
  properties: { items: [boots] },
});

async function triggersOf(site: Site) {
  const { cart_triggers: rows } = await rowsOfViews(database.pool, site, ['cart_triggers']);
  return rows!;
}

async function newSite(): Promise<Site> {
  const site = await makeSite(database.pool);
  onTestFinished(() => removeSite(database.pool, site));
  return site;
}

describe('it fires at the later of its due instant and of catching up', () => {
  const report = async (id: string, ackedUntil: string, silentSeconds = 0) =>
    database.pool.query(
      `insert into store.collectors (collector_id, acked_until, seen_at)
       values ($1, $2, clock_timestamp() - make_interval(secs => $3))
       on conflict (collector_id) do update set acked_until = excluded.acked_until, seen_at = excluded.seen_at`,
      [id, new Date(at(ackedUntil)), silentSeconds],
    );
  afterEach(() => database.pool.query('delete from store.collectors'));

  test('what any live collector acked before the due instant has been derived', async () => {
    const site = await newSite();
    await storeGiven(database.pool, site, [add('10:00')]);
    await database.derive(at('11:00'));
    await report('one', '12:00');
    await report('other', '10:59:59.999');
    await database.fire(at('11:00'));
    expect(await triggersOf(site)).toMatchObject([{ state: 'pending' }]);
    await report('other', '11:00');
    await database.fire(at('11:00'));
    expect(await triggersOf(site)).toMatchObject([{ state: 'delivered' }]);
  });

  test('a collector silent for 60 s holds nothing back and is alarmed', async () => {
    const site = await newSite();
    await storeGiven(database.pool, site, [add('10:00')]);
    await database.derive(at('11:00'));
    await report('gone', '10:30', 59);
    await database.fire(at('11:00'));
    expect(await triggersOf(site)).toMatchObject([{ state: 'pending' }]);
    await report('gone', '10:30', 61);
    await database.fire(at('11:00'));
    expect(await triggersOf(site)).toMatchObject([{ state: 'delivered' }]);
    const client = await database.pool.connect();
    expect(await silentCollectors(client)).toMatchObject([{ collectorId: 'gone' }]);
    client.release();
  });

  test('what was received before and is stored but not derived holds it back; what came later does not', async () => {
    const site = await newSite();
    await storeGiven(database.pool, site, [add('10:00'), add('10:00', 'bob')]);
    await database.derive(at('11:00'));
    await storeGiven(database.pool, site, [add('10:59', 'bob')]);
    await database.fire(at('11:00'));
    expect(await triggersOf(site)).toMatchObject([{ state: 'pending' }, { state: 'pending' }]);
    await database.derive(at('11:00'));
    await storeGiven(database.pool, site, [add('11:00', 'bob')]);
    await database.fire(at('11:00'));
    const states = (await triggersOf(site)).map(({ state, reason }) => [state, reason].join(' '));
    expect(states.sort((a, b) => (a < b ? -1 : 1))).toEqual(['delivered ', 'voided superseded']);
  });

  test('not before the clock of its site has come there', async () => {
    const site = await newSite();
    await database.pool.query(
      `update store.sites set trigger_steps = '{0 hours, 1 hour}' where site_id = $1`,
      [site.siteId],
    );
    await storeGiven(database.pool, site, [add('10:00')]);
    await database.derive(at('11:00'));
    await database.fire(at('12:00'));
    expect((await triggersOf(site)).filter(({ state }) => state === 'pending')).toMatchObject([{ step: 2 }]);
  });
});

test('imports arm none', async () => {
  const site = await newSite();
  const folder = mkdtempSync(join(tmpdir(), 'milepost-triggers-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
  const lines = [
    ...Array.from({ length: 20 }, (_, index) => ({
      name: index % 3 === 2 ? 'purchase' : 'add_to_cart',
      anonymous_id: `old-${index % 5}`,
      occurred_at: `1997-03-${String(index + 1).padStart(2, '0')}T10:00:00Z`,
      properties: { items: [boots], transaction_id: `o${index}` },
    })),
    { name: 'add_to_cart', anonymous_id: 'new', occurred_at: ago(59.99), properties: { items: [boots] } },
    { name: 'view_item', anonymous_id: 'browsing', occurred_at: ago(24 * 60 - 0.01) },
  ];
  const file = join(folder, 'past.ndjson');
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join('\n'));
  await importFile(database.pool, {
    file,
    siteId: site.siteId,
    format: 'ndjson',
    delimiter: ',',
    mapping: null,
    timeZone: 'UTC',
    rejectsFile: join(folder, 'rejects.ndjson'),
  });
  await deriveUntilIdle(database.pool);
  await deriveUntilIdle(database.pool, { asOf: new Date(Date.now() + 60_000) });
  const { abandoned_carts: carts } = await rowsOfViews(database.pool, site, ['abandoned_carts']);
  expect(carts).toHaveLength(1);
  expect(await triggersOf(site)).toEqual([]);
});

test('of four concurrent firers one is killed: each trigger is fired once', async () => {
  const site = await newSite();
  const persons = 600;
  const people = Array.from({ length: persons }, (_, index) => add('10:00', `person-${index}`));
  await storeGiven(database.pool, site, people);
  await database.derive(at('11:00'));

  // One fires some and dies before it commits …
  const open = async () => {
    const client = new pg.Client(database.pool.options);
    client.on('error', () => {}); // one is killed on purpose
    await client.connect();
    return client;
  };
  const [doomed, ...others] = await Promise.all([open(), open(), open(), open()]);
  await doomed.query('begin');
  await doomed.query('select store.fire_triggers($1, $2, 50)', [site.siteId, new Date(at('11:00'))]);
  const { rows: backend } = await doomed.query<{ pid: number }>('select pg_backend_pid() as pid');
  // … while the others wait for the site, to fire in turns.
  const firing = others.map(async (client) => {
    let total = 0;
    for (let idle = 0; idle < 3;) {
      const { rows } = await client.query<{ handled: number }>(
        'select store.fire_triggers($1, $2, 7) as handled',
        [site.siteId, new Date(at('11:00'))],
      );
      const { handled } = rows[0]!;
      total += handled;
      idle = handled === 0 ? idle + 1 : 0;
    }
    return total;
  });
  await sleep(50);
  await database.pool.query('select pg_terminate_backend($1)', [backend[0]!.pid]);
  const totals = await Promise.all(firing);
  await Promise.all(others.map((client) => client.end()));

  expect(totals.reduce((sum, total) => sum + total, 0)).toBe(persons);
  const rows = await triggersOf(site);
  expect(rows.filter(({ state }) => state === 'delivered')).toHaveLength(persons);
  const { changes } = await rowsOfViews(database.pool, site, ['changes']);
  const published = changes!.filter(({ type }) => type === 'cart.abandoned').map(({ subject_id: id }) => id);
  expect(published).toHaveLength(persons);
  expect(new Set(published)).toEqual(new Set(rows.map(({ trigger_id: id }) => id)));
});

const { runs, timeout } = propertyRuns();

test(
  'whatever arrives in whatever order: nothing is sent twice, and what carts say of it is the same after a rebuild',
  async () => {
    const client = await database.pool.connect();
    onTestFinished(() => client.release());
    await fc.assert(
      fc.asyncProperty(history(40), someSettings, choices, async (touchpoints, settings, how) => {
        const site = await makeSite(database.pool, {
          ...settings,
          trigger_steps: ['0 hours', '24 hours'],
          trigger_stale_after: '1000 hours', // else hardly any would be sent, so much time passes between parts
        });
        try {
          const { parts, instants } = deliveryOf(touchpoints, how);
          let asOf = 0;
          for (const [index, part] of parts.entries()) {
            await storeGiven(database.pool, site, part);
            asOf = Math.max(asOf, instants[index]!);
            await database.derive(asOf);
            await fireTriggers(client, new Date(asOf));
          }
          asOf = Math.max(asOf, ...touchpoints.map((touchpoint) => Number(touchpoint.at)));
          await database.derive(asOf);
          await fireTriggers(client, new Date(asOf));
          await expectAsReference(database.pool, site, asOf);
          await expectVerified(database.pool);

          const rows = await triggersOf(site);
          const { changes } = await rowsOfViews(database.pool, site, ['changes']);
          const published = changes!
            .filter(({ type }) => String(type).endsWith('.abandoned'))
            .map(({ subject_id: id }) => String(id));
          const fired = rows.filter(({ fired_at: firedAt }) => firedAt !== null);
          expect([...published].sort((a, b) => (a < b ? -1 : 1))).toEqual(
            fired.map(({ trigger_id: id }) => String(id)).sort((a, b) => (a < b ? -1 : 1)),
          );
          for (const row of rows) {
            expect(row['state'] === 'pending').toBe(
              Date.parse(String(row['due_at'])) > asOf && row['reason'] === null,
            );
            expect(row['state']).not.toBe('fired');
          }
          // By default one first message a day, also about a cart that was re-dated.
          const firsts = fired.filter(({ step, cart_key: cart }) => step === 1 && cart !== null);
          for (const one of firsts) {
            for (const other of firsts) {
              if (one === other || one['cart_key'] !== other['cart_key']) continue;
              const apart = Math.abs(Date.parse(String(one['due_at'])) - Date.parse(String(other['due_at'])));
              expect(apart).toBeGreaterThanOrEqual(86_400_000);
            }
          }
        } finally {
          await removeSite(database.pool, site);
        }
      }),
      runs,
    );
  },
  timeout,
);

test('from the page to the trigger, by a collector of its own', async () => {
  const own = await createDatabase();
  onTestFinished(own.drop);
  const { siteId, writeKey } = await createSite(own.pool, { cart_delay: '2 seconds' });
  const folder = mkdtempSync(join(tmpdir(), 'milepost-triggers-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const collector = new CollectorProcess({ databaseUrl: own.url, folder, port: await freePort() });
  onTestFinished(() => collector.end('SIGKILL').then(() => {}));
  await collector.start();

  const send = async (who: string, name: string) => {
    const touchpoint = {
      id: `${who}-${name}`,
      name,
      anonymous_id: who,
      occurred_at: Date.now(),
      properties: { items: [boots], value: 120.5 },
    };
    const response = await fetch(`${collector.url}/v1/events?k=${writeKey}`, {
      method: 'POST',
      body: JSON.stringify({ sent_at: Date.now(), batch: [touchpoint] }),
    });
    expect(await response.json()).toMatchObject({ results: [{ status: 'accepted' }] });
  };
  await send('leaving', 'add_to_cart');
  await send('buying', 'add_to_cart');
  await send('buying', 'purchase');

  type Fired = { state: string; late_seconds: number | null };
  let rows: Fired[] = [];
  while (rows[0]?.state !== 'delivered') {
    await sleep(100);
    ({ rows } = await own.pool.query<Fired>(
      `select state, extract(epoch from fired_at - due_at)::double precision as late_seconds
       from journey.cart_triggers where site_id = $1`,
      [siteId],
    ));
  }
  expect(rows).toHaveLength(1);
  process.stdout.write(`a trigger fired ${rows[0]?.late_seconds?.toFixed(2)} s after it was due\n`);

  await send('leaving', 'purchase');
  let state = '';
  while (state !== 'recovered') {
    await sleep(100);
    const { rows: carts } = await own.pool.query<{ state: string }>(
      `select carts.state from journey.carts
       join journey.cart_triggers using (site_id, cart_key) where carts.site_id = $1`,
      [siteId],
    );
    state = carts[0]!.state;
  }

  const collectors = async () => (await own.pool.query('select from store.collectors')).rowCount;
  expect(await collectors()).toBe(1);
  expect(await collector.end('SIGTERM')).toBe(0);
  expect(await collectors()).toBe(0);
}, 60_000);
