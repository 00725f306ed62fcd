import { randomBytes } from 'node:crypto';
import type pg from 'pg';

/** The settings of a site that an operator may give, by column of `store.sites`. Absent ones keep their default. */
export type SiteSettings = Partial<{
  name: string;
  time_zone: string;
  currency: string;
  allowed_origins: string[];
  own_hosts: string[];
  excluded_referrers: string[];
  internal_networks: string[];
  consent_required: boolean;
  session_gap: string;
  session_limit: string;
  is_session_split_by_campaign: boolean;
  engaged_after: string;
  cart_delay: string;
  checkout_delay: string;
  cart_expiry: string;
  self_recovery_window: string;
  lapsed_after: string;
  trigger_steps: string[];
  browse_delay: string;
  trigger_cap_window: string;
  higher_tier_window: string;
  trigger_stale_after: string;
  recovery_window: string;
  collector_silence_limit: string;
  is_refund_by_write_key_accepted: boolean;
  oldest_live_touchpoint: string;
  changes_kept: string;
  rejected_kept: string;
  counters_kept: string;
  identity_limit: number;
  identity_limits: Record<string, number>;
  identity_set_limit: number;
  model_name: string;
  model_version: number;
  /** A JSON list of goals, checked by goals/check.ts. */
  goals: string;
}>;

const columns = [
  'name',
  'time_zone',
  'currency',
  'allowed_origins',
  'own_hosts',
  'excluded_referrers',
  'internal_networks',
  'consent_required',
  'session_gap',
  'session_limit',
  'is_session_split_by_campaign',
  'engaged_after',
  'cart_delay',
  'checkout_delay',
  'cart_expiry',
  'self_recovery_window',
  'lapsed_after',
  'trigger_steps',
  'browse_delay',
  'trigger_cap_window',
  'higher_tier_window',
  'trigger_stale_after',
  'recovery_window',
  'collector_silence_limit',
  'is_refund_by_write_key_accepted',
  'oldest_live_touchpoint',
  'changes_kept',
  'rejected_kept',
  'counters_kept',
  'identity_limit',
  'identity_limits',
  'identity_set_limit',
  'model_name',
  'model_version',
  'goals',
] as const satisfies readonly (keyof SiteSettings)[];

/** Settings that say when something falls due. */
const decidesDue: ReadonlySet<keyof SiteSettings> = new Set([
  'cart_delay',
  'checkout_delay',
  'cart_expiry',
  'browse_delay',
  'trigger_steps',
  'model_name',
  'model_version',
]);

function given(settings: SiteSettings) {
  return columns.filter((column) => settings[column] !== undefined);
}

/** Makes a site and returns its id: the next number. */
export async function createSite(db: pg.Pool, settings: SiteSettings & { name: string }): Promise<number> {
  const named = given(settings);
  const client = await db.connect();
  try {
    await client.query('begin');
    await client.query('lock table store.sites in share row exclusive mode'); // two at once would take the same number
    const { rows } = await client.query<{ site_id: number }>(
      `insert into store.sites (site_id, person_secret, ${named.join(', ')})
       select coalesce(max(site_id), 0) + 1, $1, ${named.map((_, index) => `$${index + 2}`).join(', ')}
       from (select site_id from store.sites union all select site_id from store.deleted_sites) as ever
       returning site_id`,
      [randomBytes(32), ...named.map((column) => settings[column])],
    );
    await client.query('commit');
    const [row] = rows;
    if (!row) throw new Error('the site was not stored');
    return row.site_id;
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first error is the one to tell
    throw error;
  } finally {
    client.release();
  }
}

/**
 * Settings that derivation reads: a change of one has the site derived again beside the old answers, and is the site's own
 * once that is done.
 */
export const readByDerivation: ReadonlySet<keyof SiteSettings> = new Set([
  'time_zone',
  'currency',
  'own_hosts',
  'excluded_referrers',
  'session_gap',
  'session_limit',
  'is_session_split_by_campaign',
  'cart_delay',
  'checkout_delay',
  'cart_expiry',
  'self_recovery_window',
  'browse_delay',
  'is_refund_by_write_key_accepted',
]);

/**
 * Changes settings of a site: at once, but for those that derivation reads, where touchpoints are stored already. Those
 * wait until the site is derived again under them, which a serving collector or `milepost rebuild` does. Answers which
 * these are; undefined where there is no such site.
 */
export async function updateSite(
  db: pg.Pool,
  siteId: number,
  settings: SiteSettings,
): Promise<{ waiting: string[] } | undefined> {
  const named = given(settings);
  const read = Object.fromEntries(
    named.filter((column) => readByDerivation.has(column)).map((column) => [column, settings[column]]),
  );
  const client = await db.connect();
  try {
    await client.query('begin');
    const { rows } = await client.query<{ waiting: string[] | null }>(
      'select store.put_settings_aside($1, $2) as waiting',
      [siteId, JSON.stringify(read)],
    );
    const waiting = rows[0]?.waiting ?? undefined;
    const { rows: asked } = await client.query<{ is_asked: boolean }>(
      'select exists (select from store.rederivations where site_id = $1 and settings <> $2) as is_asked',
      [siteId, '{}'],
    );
    // What waits is not to be overtaken; what is the same as before needs no writing.
    const isLater = (column: keyof SiteSettings) =>
      readByDerivation.has(column) && (asked[0]?.is_asked ?? false);
    const now = named.filter((column) => !isLater(column));
    if (waiting && now.length > 0) await writeSettings(client, siteId, settings, now);
    await client.query('commit');
    return waiting && { waiting };
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first error is the one to tell
    throw error;
  } finally {
    client.release();
  }
}

async function writeSettings(
  client: pg.PoolClient,
  siteId: number,
  settings: SiteSettings,
  now: (typeof columns)[number][],
): Promise<void> {
  const changes = now.map((column, index) => `${column} = $${index + 2}`);
  // What a new setting makes fall due in the past is nothing to send a message about.
  if (now.some((column) => decidesDue.has(column))) changes.push('triggers_from = now()');
  await client.query(`update store.sites set ${changes.join(', ')} where site_id = $1`, [
    siteId,
    ...now.map((column) => settings[column]),
  ]);
}

const rowsDeletedAtOnce = 5_000;

/**
 * Deletes a site with everything in it, for good: it ends at once, then its rows go step by step. A run that was ended
 * halfway is finished by housekeeping. Answers its name and how many rows went, undefined where there is no such site.
 */
export async function deleteSite(
  db: pg.Pool,
  siteId: number,
  onProgress?: (rows: number) => void,
): Promise<{ name: string; rows: number } | undefined> {
  const { rows: ended } = await db.query<{ name: string | null }>('select store.end_site($1) as name', [
    siteId,
  ]);
  const name = ended[0]?.name;
  if (name == null) return undefined;
  return { name, rows: await removeRows(db, siteId, onProgress) };
}

/** Removes what has come for deleted sites since, or was left of them. */
export async function sweepDeletedSites(db: Pick<pg.ClientBase, 'query'>): Promise<void> {
  const { rows } = await db.query<{ site_id: number }>('select site_id from store.deleted_sites');
  for (const { site_id: siteId } of rows) await removeRows(db, siteId);
}

async function removeRows(
  db: Pick<pg.ClientBase, 'query'>,
  siteId: number,
  onProgress?: (rows: number) => void,
): Promise<number> {
  let total = 0;
  for (let step = 1; step > 0;) {
    const { rows } = await db.query<{ count: number }>(
      'select store.delete_site_rows($1, $2)::double precision as count',
      [siteId, rowsDeletedAtOnce],
    );
    step = rows[0]?.count ?? 0;
    total += step;
    onProgress?.(total);
  }
  return total;
}

/** Every site with its settings, without its secret. */
export async function listSites(db: pg.Pool): Promise<Record<string, unknown>[]> {
  const { rows } = await db.query<Record<string, unknown>>(
    `select site_id, created_at, ${columns
      .map((column) =>
        /_(gap|limit|after|delay|expiry|window|touchpoint|kept)$/.test(column)
          ? `${column}::text`
          : column === 'trigger_steps'
            ? `${column}::text[]`
            : column,
      )
      .join(', ')},
       (
         select jsonb_build_object('settings', rederivations.settings, 'phase', rederivations.phase, 'done', progress.done,
           'total', progress.total)
         from store.rederivations
         cross join lateral store.rederivation_progress(rederivations.site_id) as progress
         where rederivations.site_id = sites.site_id
       ) as being_derived_again
     from store.sites order by site_id`,
  );
  return rows;
}
