/** The views of schema journey as rows and as text, and what the reference model says they should be. */
import type pg from 'pg';
import { expect } from 'vitest';
import { verify } from '../../src/derive/index.ts';
import type { Correction, Override, Delivery, Settings, Touchpoint } from '../reference/inputs.ts';
import { type Row, type ViewName, viewsOf } from '../reference/model.ts';
import type { Site } from './given.ts';

// Logs of what Milepost did and when, and the queue's own clock: no derived facts.
const logs = ['changes', 'cart_triggers', 'webhook_deliveries', 'rejected_events', 'freshness'];

/** Every derived view. */
export async function viewNames(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select columns.table_name as name
     from information_schema.columns
     where columns.table_schema = 'journey' and columns.column_name = 'site_id' and columns.table_name <> all ($1)
     order by columns.table_name`,
    [logs],
  );
  return rows.map(({ name }) => name);
}

/** Rows of views as JSON texts, ordered; two sites with the same inputs must give the same. */
export async function textOfViews(
  pool: pg.Pool,
  site: Site,
  views?: string[],
): Promise<Record<string, string[]>> {
  const names = views ?? (await viewNames(pool));
  const { rows } = await pool.query<{ view: string; rows: string[] }>(
    names
      .map(
        (view) => `select '${view}' as view, array(
          select (to_jsonb(shown) - 'site_id')::text from journey.${view} as shown where site_id = $1) as rows`,
      )
      .join(' union all '),
    [site.siteId],
  );
  return Object.fromEntries(
    rows.map(({ view, rows: texts }) => [view, texts.sort((a, b) => (a < b ? -1 : 1))]),
  );
}

/** Rows of views with instants as toISOString gives them. */
export async function rowsOfViews(
  pool: pg.Pool,
  site: Site,
  views: string[],
): Promise<Record<string, Row[]>> {
  const texts = await textOfViews(pool, site, views);
  return Object.fromEntries(
    Object.entries(texts).map(([view, rows]) => [view, rows.map((row) => plain(JSON.parse(row) as Row))]),
  );
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
    `select touchpoint_id, occurred_at, sequence, name, type, source, anonymous_id, user_id, account_id, identities, properties, traits,
       context, is_trusted, bot_reason, internal_reason
     from store.touchpoints where site_id = $1`,
    [site.siteId],
  );
  const stored = touchpoints.map((row): Touchpoint => {
    return { ...row, occurred_at: row.occurred_at.getTime(), sequence: Number(row.sequence) };
  });
  const { rows: deliveries } = await pool.query<Delivery>(
    `select cart_key, (extract(epoch from delivered_at) * 1000)::double precision as delivered_at
     from journey.cart_triggers where site_id = $1 and cart_key is not null and delivered_at is not null`,
    [site.siteId],
  );
  return viewsOf(stored, await settingsOf(pool, site), asOf, deliveries);
}

async function settingsOf(pool: pg.Pool, site: Site): Promise<Settings> {
  const inMs = (column: string): string =>
    `(extract(epoch from ${column}) * 1000)::double precision as ${column}`;
  const { rows } = await pool.query<Settings>(
    `select (
         select coalesce(jsonb_agg(jsonb_build_object('day', rates.day, 'currency', rates.currency, 'rate', rates.rate::text)), '[]')
         from store.rates where rates.site_id = sites.site_id
       ) as rates,
       person_secret, time_zone, currency, is_session_split_by_campaign, is_refund_by_write_key_accepted,
       own_hosts, excluded_referrers, (
         select coalesce(jsonb_agg(channel_rules order by channel_rules.position), '[]')
         from store.channel_rules where channel_rules.site_id = sites.site_id
       ) as channel_rules, model_version, goals, identity_limit, identity_limits, identity_set_limit, runaway_limit,
       ${inMs('session_gap')}, ${inMs('session_limit')}, ${inMs('engaged_after')},
       ${inMs('recovery_window')},
       ${inMs('cart_delay')}, ${inMs('checkout_delay')}, ${inMs('cart_expiry')}, ${inMs('self_recovery_window')},
       ${inMs('lapsed_after')},
       (select models.document from store.models where models.model_name = sites.model_name
         and models.version = sites.model_version and models.model_name <> 'ecommerce') as model
     from store.sites where site_id = $1`,
    [site.siteId],
  );
  const { rows: overrides } = await pool.query<Override>(
    `select overrides.override_id, identities.type, identities.value, overrides.stage,
       (extract(epoch from overrides.from_at) * 1000)::double precision as from,
       (extract(epoch from overrides.until_at) * 1000)::double precision as until
     from store.overrides
     join store.identities
       on identities.site_id = overrides.site_id and identities.identity_id = overrides.identity_id and identities.spell = 1
     where overrides.site_id = $1`,
    [site.siteId],
  );
  const { rows: corrections } = await pool.query<Correction>(
    `select corrections.kind, corrections.correction as word,
       jsonb_build_object('type', corrections.type, 'value', corrections.value) as one,
       jsonb_build_object('type', corrections.other_type, 'value', corrections.other_value) as other,
       (extract(epoch from corrections.corrected_at) * 1000)::double precision as at
     from store.identity_corrections as corrections
     where corrections.site_id = $1`,
    [site.siteId],
  );
  return { ...rows[0]!, overrides, corrections };
}

/** What a site's views say, and what the reference model makes of the same touchpoints. */
export type Comparison = {
  /** The derived rows, all columns. */
  derived: Record<string, Row[]>;
  /** Both by the columns that the reference model knows, in the same order: to be equal. */
  found: Record<string, Row[]>;
  wanted: Record<string, Row[]>;
};

export async function compared(pool: pg.Pool, site: Site, asOf: number): Promise<Comparison> {
  const expected = await expectedViews(pool, site, asOf);
  const derived = await rowsOfViews(pool, site, Object.keys(expected));
  const comparison: Comparison = { derived, found: {}, wanted: {} };
  for (const [view, rows] of Object.entries(expected)) {
    const known = Object.keys(rows[0] ?? {});
    comparison.found[view] = inOrder(
      derived[view]!.map((row) => (known.length > 0 ? only(row, known) : row)),
    );
    comparison.wanted[view] = inOrder(rows.map((row) => only(row, known)));
  }
  return comparison;
}

/** Fails on any difference between the views and the reference model. */
export async function expectAsReference(pool: pg.Pool, site: Site, asOf: number): Promise<void> {
  const { found, wanted } = await compared(pool, site, asOf);
  expect(found).toEqual(wanted);
}

function only(row: Row, keys: string[]): Row {
  return Object.fromEntries([...keys].sort().map((key) => [key, row[key]]));
}

function inOrder(rows: Row[]): Row[] {
  return [...rows].sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
}

/** JSON whose objects have their keys in order, inner ones too: PostgreSQL and the model need not agree on that. */
function textOf(row: Row): string {
  return JSON.stringify(row, (_, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** Fails on any difference between the derived rows and a recomputation from the inputs. */
export async function expectVerified(pool: pg.Pool): Promise<void> {
  const { differences } = await verify(pool);
  expect(differences).toEqual([]);
}
