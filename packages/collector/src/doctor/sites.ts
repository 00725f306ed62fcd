import type { Pool } from 'pg';
import { type Finding, note, wrong } from './finding.ts';

// Derivation is a second behind; a minute is no passing delay.
const mostLagSeconds = 60;
const silentAfterHours = 24;

/** What is wrong with the data: partitions, keys, origins, lag, and what each site could not use. */
export async function dataFindings(pool: Pool): Promise<Finding[]> {
  const checks = [partitions, keysAndOrigins, lag, silentCollectors, silentSites, orders, rejected, runaways];
  const findings: Finding[] = [];
  for (const check of checks) findings.push(...(await check(pool)));
  return findings;
}

async function partitions(pool: Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{ missing: string }>(
    `select to_char(months.month, 'YYYY-MM') as missing
     from unnest(array[0, 1]) as ahead (months)
     cross join lateral (select now() at time zone 'UTC' + make_interval(months => ahead.months) as month) as months
     where to_regclass('store.touchpoints_' || to_char(months.month, 'YYYY_MM')) is null
     order by months.month`,
  );
  if (rows.length === 0) return [];
  return [
    wrong(
      'partitions',
      `touchpoints of ${rows.map(({ missing }) => missing).join(' and ')} have no partition and fall into the default one.`,
      'Run milepost migrate now, and keep a collector with the role derive running: it makes them ahead.',
    ),
  ];
}

async function keysAndOrigins(pool: Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{ site_id: number; name: string; keys: number; has_pages: boolean }>(
    `select
       sites.site_id,
       sites.name,
       (select count(*)::integer from store.keys where keys.site_id = sites.site_id and keys.revoked_at is null) as keys,
       cardinality(sites.allowed_origins) > 0 or not exists (
         select from store.keys
         where keys.site_id = sites.site_id and keys.kind = 'write' and keys.revoked_at is null
       ) as has_pages
     from store.sites
     order by sites.site_id`,
  );
  if (rows.length === 0)
    return [
      wrong('site', 'there is no site yet.', 'milepost site create "My shop" --origin https://shop.example'),
    ];
  return rows.flatMap(({ site_id: site, name, keys, has_pages: hasPages }) => {
    if (keys === 0)
      return [
        wrong(
          'key',
          `site ${site} (${name}) has no key, so nothing can be sent to it.`,
          `milepost key create --site ${site} --kind write`,
          site,
        ),
      ];
    if (hasPages) return [];
    return [
      wrong(
        'allowed_origins',
        `site ${site} (${name}) has a write key and allows no origin, so every page of it is refused.`,
        `milepost site update ${site} --origin https://shop.example`,
        site,
      ),
    ];
  });
}

async function lag(pool: Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{ site_id: number; seconds: number }>(
    `select site_id, floor(extract(epoch from clock_timestamp() - min(stored_at)))::integer as seconds
     from store.batches
     group by site_id
     having min(stored_at) < clock_timestamp() - make_interval(secs => $1)
     order by site_id`,
    [mostLagSeconds],
  );
  return rows.map(({ site_id: site, seconds }) =>
    wrong(
      'derive_lag',
      `site ${site} has touchpoints that have waited ${seconds} s to be derived.`,
      'Is a collector with the role derive running? Its log tells what fails; a large import and a rebuild take a while.',
      site,
    ),
  );
}

async function silentCollectors(pool: Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{ collector_id: string; seen_at: Date }>(
    `select collector_id, seen_at from store.collectors
     where seen_at < clock_timestamp() - (select min(collector_silence_limit) from store.sites)
     order by collector_id`,
  );
  return rows.map(({ collector_id: id, seen_at: seenAt }) =>
    wrong(
      'silent_collector',
      `collector ${id} has said nothing since ${seenAt.toISOString()}, and did not stop in order.`,
      'Start it again with its buffer’s folder: what it holds is not stored yet, and triggers no longer wait for it.',
    ),
  );
}

async function silentSites(pool: Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{ site_id: number; newest: Date }>(
    `select site_id, newest_touchpoint_at as newest from store.clocks
     where newest_touchpoint_at < clock_timestamp() - make_interval(hours => $1)
     order by site_id`,
    [silentAfterHours],
  );
  return rows.map(({ site_id: site, newest }) =>
    note(
      'silent_site',
      `the newest touchpoint of site ${site} is of ${newest.toISOString()}.`,
      'Does its page still load the script, with a key that is not revoked, from an origin that is allowed?',
      site,
    ),
  );
}

async function orders(pool: Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{ site_id: number; count: number; currencies: string[] }>(
    `select
       site_id,
       count(*)::integer as count,
       array_agg(distinct currency order by currency) as currencies
     from journey.orders
     where gross is not null and gross_site is null
     group by site_id
     order by site_id`,
  );
  return rows.map(({ site_id: site, count, currencies }) =>
    wrong(
      'unconverted_orders',
      `${count} orders of site ${site} in ${currencies.join(', ')} have no rate, and are in no revenue.`,
      `milepost rates import eurofxref-hist.zip --site ${site} (the European Central Bank publishes the file daily).`,
      site,
    ),
  );
}

async function rejected(pool: Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{ site_id: number; reason: string; count: number }>(
    `select site_id, reason, count(*)::integer as count
     from store.rejected_events
     where received_at > clock_timestamp() - interval '24 hours'
     group by site_id, reason
     order by site_id, count(*) desc, reason`,
  );
  return rows.map(({ site_id: site, reason, count }) =>
    note(
      'rejected_events',
      `${count} events of site ${site} were rejected within 24 hours: ${reason}.`,
      `select detail, event from journey.rejected_events where site_id = ${site} and reason = '${reason}' order by received_at desc limit 5;`,
      site,
    ),
  );
}

async function runaways(pool: Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{ site_id: number; count: number; examples: string[] }>(
    `select site_id, count(*)::integer as count, (array_agg(person_id::text order by runaway_at desc))[1:3] as examples
     from store.persons
     where runaway_at is not null
     group by site_id
     order by site_id`,
  );
  return rows.map(({ site_id: site, count, examples }) =>
    note(
      'runaway_persons',
      `${count} persons of site ${site} had more touchpoints in a day than a human: ${examples.join(', ')}.`,
      'An id that many people share can be declared nobody’s (setting worthless_ids); a script of your own can be told apart by --internal-network.',
      site,
    ),
  );
}
