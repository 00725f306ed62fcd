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

type Work = {
  siteId: number;
  onProgress?: ApplyOptions['onProgress'] | undefined;
  /** Ends the work between two steps; it goes on from there another time. */
  signal?: AbortSignal;
};

const personsPerStep = 1_000;

/**
 * Gives a site a journey model: stores it as the site's next version, derives every person under it beside the live
 * rows, then switches all of them in one transaction. Readers see the old answers until that commits, and traffic goes
 * on meanwhile, but for the moments of a step and of the switch. A run that was ended halfway is taken up by a serving
 * collector (resumeModelChange), or when the same model is applied again; another model takes its place.
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
    if (begun.isChanged) await finish(client, { siteId, onProgress });
    return begun;
  } finally {
    await client.end();
  }
}

/**
 * Finishes a change of model that somebody began and left. Answers whether it did: not where there is none, or another is
 * at work on it.
 */
export async function resumeModelChange(
  pool: pg.Pool,
  { siteId, signal }: { siteId: number; signal: AbortSignal },
): Promise<boolean> {
  const client = await openSession(pool);
  try {
    const { rows } = await client.query<{ is_ours: boolean }>(
      `select pg_try_advisory_lock(hashtext('milepost.model'), $1) as is_ours`,
      [siteId],
    );
    if (!rows[0]?.is_ours) return false;
    const { rowCount } = await client.query('select from store.model_changes where site_id = $1', [siteId]);
    if (!rowCount) return false;
    await finish(client, { siteId, signal });
    return true;
  } finally {
    await client.end();
  }
}

async function finish(client: pg.Client, work: Work): Promise<void> {
  await deriveAll(client, work);
  await switchAll(client, work);
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

async function deriveAll(client: pg.Client, { siteId, onProgress, signal }: Work): Promise<void> {
  const { rows } = await client.query<Progress>(progressQuery, [siteId]);
  const total = rows[0]?.total ?? 0;
  let done = rows[0]?.done ?? 0;
  onProgress?.('derived', done, total);
  // Short transactions: derivers of the site wait for one step at most. Few are left for the switch then.
  for (let step = personsPerStep; step === personsPerStep;) {
    signal?.throwIfAborted();
    step = await deriveStep(client, siteId);
    done += step;
    onProgress?.('derived', Math.min(done, total), total);
  }
}

type Progress = { done: number; total: number };

const progressQuery = `select
  (select count(*)::integer from store.persons where persons.site_id = $1) as total,
  (select count(*)::integer from store.next_stages where next_stages.site_id = $1) as done`;

async function deriveStep(client: pg.Client, siteId: number): Promise<number> {
  const { rows } = await client.query<{ count: number }>({
    name: 'derive_next_stages',
    text: 'select store.derive_next_stages($1, $2) as count',
    values: [siteId, personsPerStep],
  });
  await client.query('select store.truncate_work_tables()');
  return rows[0]?.count ?? 0;
}

async function switchAll(client: pg.Client, { siteId, onProgress, signal }: Work): Promise<void> {
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
      signal?.throwIfAborted();
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

/** A change of model under way: the version to come, and how many of the site's persons are derived under it. */
export type ModelChange = { version: number; done: number; total: number; begunAt: Date };

/** The model a site has now, and the change under way, if any. */
export async function modelOf(
  pool: pg.Pool,
  siteId: number,
): Promise<{ document: Record<string, unknown>; version: number; change: ModelChange | null }> {
  const { rows } = await pool.query<{
    document: Record<string, unknown>;
    version: number;
    changing_to: number | null;
    begun_at: Date | null;
  }>(
    `select models.document, sites.model_version as version, model_changes.model_version as changing_to, model_changes.begun_at
     from store.sites
     join store.models on models.model_name = sites.model_name and models.version = sites.model_version
     left join store.model_changes on model_changes.site_id = sites.site_id
     where sites.site_id = $1`,
    [siteId],
  );
  const [row] = rows;
  if (!row) throw new Refusal(`there is no site ${siteId}; milepost site list shows them.`);
  const { document, version, changing_to: next, begun_at: begunAt } = row;
  if (next === null || begunAt === null) return { document, version, change: null };
  const { rows: counted } = await pool.query<Progress>(progressQuery, [siteId]);
  const { done = 0, total = 0 } = counted[0] ?? {};
  return { document, version, change: { version: next, done, total, begunAt } };
}
