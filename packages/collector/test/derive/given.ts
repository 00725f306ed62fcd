/** Touchpoints as tests write them, stored as the writer stores them. */
import type { Touchpoint as Event } from '@milepost/shared';
import type pg from 'pg';
import type { SiteSettings } from '../../src/database/sites.ts';
import { rowOf, sharedFactsOf } from '../../src/write/row.ts';
import { storeRows } from '../../src/write/store.ts';
import type { JsonObject } from '../reference/inputs.ts';
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
  account_id?: string;
  previous_id?: string;
  identities?: Record<string, string | string[]>;
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
export async function storeGiven(
  pool: pg.Pool,
  site: Site,
  touchpoints: Given[],
  { lane = 0 }: { lane?: number } = {},
): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const rows = touchpoints.map((given) => storedRowOf(site, given));
    await storeRows(client, rows, { origin: 'live', lane });
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

/** Takes a site and all its rows away, so that the next derivation has nothing to do for it. */
export async function removeSite(pool: pg.Pool, site: Site): Promise<void> {
  await pool.query(`
    do $$
    declare
      name text;
    begin
      for name in
        select columns.table_name
        from information_schema.columns
        join pg_class on pg_class.oid = format('store.%I', columns.table_name)::regclass
        where columns.table_schema = 'store' and columns.column_name = 'site_id'
          and not pg_class.relispartition and pg_class.relkind in ('r', 'p')
      loop
        execute format('delete from store.%I where site_id = ${site.siteId}', name);
      end loop;
      foreach name in array array['models', 'model_machines', 'model_rules'] loop
        execute format('delete from store.%I where model_name like %L', name, '${site.siteId}/%');
      end loop;
    end
    $$`);
}
