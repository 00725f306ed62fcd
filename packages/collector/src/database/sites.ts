import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { settingNames, settingOf, type SettingValues } from '../settings/catalogue.ts';
import { checkTogether, isSettingName, readSettings } from '../settings/read.ts';

/** What an operator may give a site, by column of `store.sites`. Absent ones keep their default. */
export type SiteSettings = SettingValues &
  Partial<{
    name: string;
    model_name: string;
    model_version: number;
    /** A JSON list of goals, checked by goals/check.ts. */
    goals: string;
  }>;

const columns = ['name', ...settingNames, 'model_name', 'model_version', 'goals'] as const;

function decidesDue(column: string): boolean {
  return isSettingName(column)
    ? settingOf(column).decidesDue === true
    : column === 'model_name' || column === 'model_version';
}

/** The settings that were given, as they are stored, by column. Refuses what the catalogue does not allow. */
function given(settings: SiteSettings): [column: string, value: unknown][] {
  const named = columns.filter((column) => settings[column] !== undefined);
  const values = readSettings(
    Object.fromEntries(named.filter(isSettingName).map((column) => [column, settings[column]])),
  );
  return named.map((column) => [column, isSettingName(column) ? values[column] : settings[column]]);
}

/** Makes a site and returns its id: the next number. */
export async function createSite(db: pg.Pool, settings: SiteSettings & { name: string }): Promise<number> {
  const named = given(settings);
  checkTogether(
    settings,
    named.map(([column]) => column),
  );
  const client = await db.connect();
  try {
    await client.query('begin');
    await client.query('lock table store.sites in share row exclusive mode'); // two at once would take the same number
    const { rows } = await client.query<{ site_id: number }>(
      `insert into store.sites (site_id, person_secret, ${named.map(([column]) => column).join(', ')})
       select coalesce(max(site_id), 0) + 1, $1, ${named.map((_, index) => `$${index + 2}`).join(', ')}
       from (select site_id from store.sites union all select site_id from store.deleted_sites) as ever
       returning site_id`,
      [randomBytes(32), ...named.map(([, value]) => value)],
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
export const readByDerivation: ReadonlySet<string> = new Set(
  settingNames.filter((name) => settingOf(name).readByDerivation),
);

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
  const read = Object.fromEntries(named.filter(([column]) => readByDerivation.has(column)));
  const client = await db.connect();
  try {
    await client.query('begin');
    const { rows } = await client.query<{ waiting: string[] | null }>(
      'select store.put_settings_aside($1, $2) as waiting',
      [siteId, JSON.stringify(read)],
    );
    const waiting = rows[0]?.waiting ?? undefined;
    const { rows: asked } = await client.query<{ settings: SettingValues }>(
      `select settings from store.rederivations where site_id = $1 and settings <> '{}'`,
      [siteId],
    );
    checkTogether(
      { ...(await storedSettings(client, siteId)), ...asked[0]?.settings, ...settings },
      named.map(([column]) => column),
    );
    // What waits is not to be overtaken; what is the same as before needs no writing.
    const now = named.filter(([column]) => !(readByDerivation.has(column) && asked.length > 0));
    if (waiting && now.length > 0) await writeSettings(client, siteId, now);
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
  now: [column: string, value: unknown][],
): Promise<void> {
  const changes = now.map(([column], index) => `${column} = $${index + 2}`);
  // What a new setting makes fall due in the past is nothing to send a message about.
  if (now.some(([column]) => decidesDue(column))) changes.push('triggers_from = now()');
  await client.query(`update store.sites set ${changes.join(', ')} where site_id = $1`, [
    siteId,
    ...now.map(([, value]) => value),
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
    `select site_id, created_at, ${columns.map(selected).join(', ')},
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

/** The settings a site has now, undefined where there is no such site. */
export async function storedSettings(
  db: Pick<pg.Pool, 'query'>,
  siteId: number,
): Promise<Required<SettingValues> | undefined> {
  const { rows } = await db.query<Required<SettingValues>>(
    `select ${settingNames.map(selected).join(', ')} from store.sites where site_id = $1`,
    [siteId],
  );
  return rows[0];
}

function selected(column: (typeof columns)[number]): string {
  const form = isSettingName(column) ? settingOf(column).form.name : undefined;
  if (form === 'duration' || form === 'duration or off') return `${column}::text`;
  return form === 'durations' ? `${column}::text[]` : column;
}
