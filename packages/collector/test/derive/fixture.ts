/** Sites whose touchpoints go in by the real write path, are derived, and are read back through the views. */
import type { Touchpoint as Event } from '@milepost/shared';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { deriveUntilIdle, verify } from '../../src/derive/index.ts';
import { rowOf, sharedFactsOf } from '../../src/write/row.ts';
import { storeRows } from '../../src/write/store.ts';
import type { SiteSettings } from '../../src/database/sites.ts';
import { type JsonObject, type Settings, type Touchpoint } from '../reference/inputs.ts';
import { type Row, type ViewName, viewsOf } from '../reference/model.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';

/** A touchpoint as a test writes it: page view of the web unless it says more. `at` is its time. */
export type Given = {
  id?: string;
  at: string | number;
  name?: string;
  type?: Event['type'];
  source?: Event['source'];
  sequence?: number;
  anonymous_id?: string;
  user_id?: string;
  properties?: JsonObject;
  traits?: JsonObject;
  context?: JsonObject;
  is_trusted?: boolean;
};

// The same secret everywhere, so that persons have the same ids at two sites.
const secret = Buffer.alloc(32, 7);

/** A site of the test's database. */
export type Site = { siteId: number };

export async function makeSite(pool: pg.Pool, settings: SiteSettings = {}): Promise<Site> {
  const { siteId } = await createSite(pool, settings);
  await pool.query('update store.sites set person_secret = $2 where site_id = $1', [siteId, secret]);
  return { siteId };
}

/** Stores touchpoints in one transaction, as the writer does. */
export async function storeGiven(pool: pg.Pool, site: Site, touchpoints: Given[]): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const rows = touchpoints.map((given) => storedRowOf(site, given));
    await storeRows(client, rows, { origin: 'live', lane: 0 });
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

function storedRowOf(site: Site, { at, is_trusted = false, id, ...event }: Given) {
  const occurredAt = timeOf(at);
  const envelope = {
    siteId: site.siteId,
    receivedAt: occurredAt + 1_000,
    isTrusted: is_trusted,
    ingestedBy: 'events',
  };
  const { name = event.type === undefined ? 'page_view' : null, ...rest } = event;
  const whole = { id: id ?? idAt(occurredAt), name, occurred_at: occurredAt, ...rest } as Event;
  return rowOf(whole, envelope, sharedFactsOf({}, envelope));
}

let lastNumber = 0;

/** A UUID v7 of an instant; of two at one instant the one made later is the greater, as in a browser. */
export function idAt(ms: number, number = (lastNumber += 1)): string {
  const time = ms.toString(16).padStart(12, '0');
  const rest = number.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${rest}`;
}

export function timeOf(at: string | number): number {
  return typeof at === 'number' ? at : Date.parse(at);
}

/** The rows of a view as JSON texts, ordered; two sites with the same inputs must give the same. */
export async function textOfView(pool: pg.Pool, site: Site, view: string): Promise<string[]> {
  const { rows } = await pool.query<{ row: string }>(
    `select (to_jsonb(shown) - 'site_id')::text as row from journey.${view} as shown where site_id = $1`,
    [site.siteId],
  );
  return rows.map(({ row }) => row).sort();
}

// Logs of what Milepost did and when, and the queue's own clock: no derived facts.
const logs = ['changes', 'cart_triggers', 'webhook_deliveries', 'rejected_events', 'freshness'];

/** Every derived view of a site as text, by name. */
export async function textOfViews(pool: pg.Pool, site: Site): Promise<Record<string, string[]>> {
  const { rows } = await pool.query<{ name: string }>(
    `select columns.table_name as name
     from information_schema.columns
     where columns.table_schema = 'journey' and columns.column_name = 'site_id' and columns.table_name <> all ($1)
     order by columns.table_name`,
    [logs],
  );
  const texts: Record<string, string[]> = {};
  for (const { name } of rows) texts[name] = await textOfView(pool, site, name);
  return texts;
}

export async function rowsOfView(pool: pg.Pool, site: Site, view: string): Promise<Row[]> {
  const texts = await textOfView(pool, site, view);
  return texts.map((text) => plain(JSON.parse(text) as Row));
}

/** Instants as toISOString gives them, shares with six digits. */
function plain(row: Row): Row {
  const isInstant = (key: string): boolean => /_at$|^since$|^valid_(from|to)$/.test(key);
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [
      key,
      isInstant(key) && typeof value === 'string'
        ? new Date(value).toISOString()
        : key.endsWith('_rate') && typeof value === 'number'
          ? Math.round(value * 1e6) / 1e6
          : value,
    ]),
  );
}

/** What the reference model makes of the touchpoints stored for a site. */
export async function expectedViews(
  pool: pg.Pool,
  site: Site,
  asOf: number,
): Promise<Record<ViewName, Row[]>> {
  const { rows: touchpoints } = await pool.query<Touchpoint & { occurred_at: Date; sequence: string }>(
    `select touchpoint_id, occurred_at, sequence, name, type, source, anonymous_id, user_id, properties, traits,
       context, is_trusted, bot_reason, internal_reason
     from store.touchpoints where site_id = $1`,
    [site.siteId],
  );
  const stored = touchpoints.map((row): Touchpoint => {
    return { ...row, occurred_at: row.occurred_at.getTime(), sequence: Number(row.sequence) };
  });
  return viewsOf(stored, await settingsOf(pool, site), asOf);
}

async function settingsOf(pool: pg.Pool, site: Site): Promise<Settings> {
  const inMs = (column: string): string =>
    `(extract(epoch from ${column}) * 1000)::double precision as ${column}`;
  const { rows } = await pool.query<Settings>(
    `select person_secret, time_zone, currency, is_session_split_by_campaign, is_refund_by_write_key_accepted,
       own_hosts, model_version, ${inMs('session_gap')}, ${inMs('session_limit')}, ${inMs('engaged_after')},
       ${inMs('cart_delay')}, ${inMs('checkout_delay')}, ${inMs('cart_expiry')}, ${inMs('self_recovery_window')},
       ${inMs('lapsed_after')}
     from store.sites where site_id = $1`,
    [site.siteId],
  );
  return rows[0]!;
}

/** The views against the reference model: the columns it knows, rows in any order. */
export async function expectAsReference(pool: pg.Pool, site: Site, asOf: number): Promise<void> {
  const expected = await expectedViews(pool, site, asOf);
  const found: Record<string, Row[]> = {};
  const wanted: Record<string, Row[]> = {};
  for (const [view, rows] of Object.entries(expected)) {
    const derived = await rowsOfView(pool, site, view);
    const known = Object.keys(rows[0] ?? {});
    found[view] = inOrder(derived.map((row) => (known.length > 0 ? only(row, known) : row)));
    wanted[view] = inOrder(rows.map((row) => only(row, known)));
  }
  expect(found).toEqual(wanted);
}

function only(row: Row, keys: string[]): Row {
  return Object.fromEntries([...keys].sort().map((key) => [key, row[key]]));
}

function inOrder(rows: Row[]): Row[] {
  return [...rows].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** Fails on any difference between the derived rows and a recomputation from the inputs. */
export async function expectVerified(pool: pg.Pool): Promise<void> {
  expect(await verify(pool)).toEqual([]);
}

/** Takes a site and all its rows away, so that the next derivation has nothing to do for it. */
export async function removeSite(pool: pg.Pool, site: Site): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    `select columns.table_name as name
     from information_schema.columns
     join pg_class on pg_class.relname = columns.table_name and not pg_class.relispartition
     join pg_namespace on pg_namespace.oid = pg_class.relnamespace and pg_namespace.nspname = 'store'
     where columns.table_schema = 'store' and columns.column_name = 'site_id' and pg_class.relkind in ('r', 'p')`,
  );
  for (const { name } of rows)
    await pool.query(`delete from store.${name} where site_id = $1`, [site.siteId]);
}

/**
 * A database for a test file and a fresh site for each test. After `given.touchpoints` the views are derived as of
 * `given.asOf` (default: a minute after the last touchpoint) and compared with the reference model as well.
 */
export function useSite() {
  let database: TestDatabase;
  let site: Site;

  const stored: number[] = [];
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());
  afterEach(() => removeSite(database.pool, site));
  beforeEach(async () => {
    stored.length = 0;
    site = await makeSite(database.pool);
  });
  return {
    given: {
      /** Stores and derives; the defaults of all come before the touchpoint's own fields. */
      async touchpoints(touchpoints: Given[], options: { asOf?: string | number } = {}): Promise<void> {
        await storeGiven(database.pool, site, touchpoints);
        stored.push(...touchpoints.map(({ at }) => timeOf(at)));
        const asOf = options.asOf === undefined ? Math.max(...stored) + 60_000 : timeOf(options.asOf);
        await deriveUntilIdle(database.pool, { asOf: new Date(asOf) });
        await expectAsReference(database.pool, site, asOf);
      },
      /** Moves the site's instant on. */
      async asOf(at: string | number): Promise<void> {
        await deriveUntilIdle(database.pool, { asOf: new Date(timeOf(at)) });
        await expectAsReference(database.pool, site, timeOf(at));
      },
      async settings(changes: SiteSettings): Promise<void> {
        await removeSite(database.pool, site);
        site = await makeSite(database.pool, changes);
      },
    },
    rowsOf: (view: string): Promise<Row[]> => rowsOfView(database.pool, site, view),
  };
}
