import type pg from 'pg';
import { openSession } from '../derive/session.ts';
import { Refusal } from '../refusal.ts';
import type { ModelDocument } from './document.ts';

/** What came of applying a model. */
export type Applied = {
  /** The version that the site has now. */
  version: number;
  /** False where the site had this very model already. */
  isChanged: boolean;
};

export type ApplyOptions = {
  siteId: number;
  model: ModelDocument;
  /** Called as work goes on: first persons are derived beside the old answers, then all are switched. */
  onProgress?: (phase: 'derived' | 'switched', done: number, total: number) => void;
};

const personsPerStep = 1_000;

/**
 * Gives a site a journey model: stores it as the site's next version, derives every person under it beside the live
 * rows, then switches all of them in one transaction. Readers see the old answers until that commits, and traffic goes
 * on meanwhile, but for the moments of a step and of the switch. A run that was ended halfway goes on where it was when
 * the same model is applied again; another model takes its place.
 */
export async function applyModel(
  pool: pg.Pool,
  { siteId, model, onProgress }: ApplyOptions,
): Promise<Applied> {
  const client = await openSession(pool);
  try {
    // One at a time: who comes second waits, and goes on from what the first has done.
    await client.query(`select pg_advisory_lock(hashtext('milepost.model'), $1)`, [siteId]);
    const begun = await begin(client, siteId, model);
    if (!begun.isChanged) return begun;
    await deriveAll(client, siteId, onProgress);
    await switchAll(client, siteId, onProgress);
    return begun;
  } finally {
    await client.end();
  }
}

async function begin(client: pg.Client, siteId: number, model: ModelDocument): Promise<Applied> {
  const { rows: sites } = await client.query<{ model_version: number }>(
    'select model_version from store.sites where site_id = $1',
    [siteId],
  );
  if (!sites[0]) throw new Refusal(`there is no site ${siteId}; milepost site list shows them.`);
  const { rows } = await client.query<{ version: number | null }>(
    'select store.begin_model_change($1, $2) as version',
    [siteId, JSON.stringify(model)],
  );
  const version = rows[0]?.version ?? null;
  return { version: version ?? sites[0].model_version, isChanged: version !== null };
}

async function deriveAll(
  client: pg.Client,
  siteId: number,
  onProgress: ApplyOptions['onProgress'],
): Promise<void> {
  const { rows } = await client.query<{ total: number; done: number }>(
    `select
       (select count(*)::integer from store.persons where persons.site_id = $1) as total,
       (select count(*)::integer from store.next_stages where next_stages.site_id = $1) as done`,
    [siteId],
  );
  const total = rows[0]?.total ?? 0;
  let done = rows[0]?.done ?? 0;
  onProgress?.('derived', done, total);
  // Short transactions: derivers of the site wait for one step at most. Few are left for the switch then.
  for (let step = personsPerStep; step === personsPerStep;) {
    step = await deriveStep(client, siteId);
    done += step;
    onProgress?.('derived', Math.min(done, total), total);
  }
}

async function deriveStep(client: pg.Client, siteId: number): Promise<number> {
  const { rows } = await client.query<{ count: number }>({
    name: 'derive_next_stages',
    text: 'select store.derive_next_stages($1, $2) as count',
    values: [siteId, personsPerStep],
  });
  await client.query('select store.truncate_work_tables()');
  return rows[0]?.count ?? 0;
}

async function switchAll(
  client: pg.Client,
  siteId: number,
  onProgress: ApplyOptions['onProgress'],
): Promise<void> {
  await client.query('begin');
  try {
    await client.query('select store.open_model_switch($1)', [siteId]);
    while ((await deriveStep(client, siteId)) > 0);
    const { rows: counted } = await client.query<{ total: number }>(
      'select count(*)::integer as total from store.persons where persons.site_id = $1',
      [siteId],
    );
    const total = counted[0]?.total ?? 0;
    let last: string | null = '00000000-0000-0000-0000-000000000000';
    for (let done = 0; last !== null; done += personsPerStep) {
      onProgress?.('switched', Math.min(done, total), total);
      const { rows }: pg.QueryResult<{ last: string | null }> = await client.query({
        name: 'switch_stages',
        text: 'select store.switch_stages($1, $2, $3) as last',
        values: [siteId, last, personsPerStep],
      });
      last = rows[0]?.last ?? null;
      await client.query('select store.truncate_work_tables()');
    }
    await client.query('select store.close_model_switch($1)', [siteId]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

/** The model a site has now, and the version it is changing to, if any. */
export async function modelOf(
  pool: pg.Pool,
  siteId: number,
): Promise<{ document: Record<string, unknown>; version: number; changingTo: number | null }> {
  const { rows } = await pool.query<{
    document: Record<string, unknown>;
    version: number;
    changing_to: number | null;
  }>(
    `select models.document, sites.model_version as version, model_changes.model_version as changing_to
     from store.sites
     join store.models on models.model_name = sites.model_name and models.version = sites.model_version
     left join store.model_changes on model_changes.site_id = sites.site_id
     where sites.site_id = $1`,
    [siteId],
  );
  const [row] = rows;
  if (!row) throw new Refusal(`there is no site ${siteId}; milepost site list shows them.`);
  return { document: row.document, version: row.version, changingTo: row.changing_to };
}
