import type pg from 'pg';
import { randomUUID } from 'node:crypto';
import { identityIdOf } from '@milepost/shared';
import { openSession } from '../derive/session.ts';
import { Refusal } from '../refusal.ts';

/** Whose stage to set: a person, or whoever an identity belongs to at that time. */
export type Whose = { personId: string } | { type: string; value: string };

export type OverrideOptions = {
  siteId: number;
  whose: Whose;
  stage: string;
  /** From when on. Default: now. */
  from?: Date | undefined;
  /** Until when signals and timers move nothing. Default: the next signal moves on. */
  until?: Date | undefined;
  author: string;
  note?: string | undefined;
};

/** Sets the stage of a person by hand, and derives the person anew. Resolves to the override's id. */
export async function setOverride(
  pool: pg.Pool,
  { siteId, whose, stage, from = new Date(), until, author, note }: OverrideOptions,
): Promise<{ overrideId: string; personId: string }> {
  if (from.getTime() > Date.now()) {
    throw new Refusal(
      'an override cannot begin in the future; name an instant that has been, or none for now.',
    );
  }
  if (until && until.getTime() <= from.getTime()) {
    throw new Refusal('an override ends after it begins; name a later --until.');
  }
  const client = await openSession(pool);
  try {
    await refuseUnknownStage(client, siteId, stage);
    const identityId = await identityOf(client, siteId, whose);
    const overrideId = randomUUID();
    const { rows } = await client.query<{ person_id: string | null }>(
      'select store.put_override($1, $2, $3, $4, $5, $6, $7, $8) as person_id',
      [siteId, overrideId, identityId, stage, from, until ?? null, author, note ?? null],
    );
    return { overrideId, personId: rows[0]?.person_id ?? '' };
  } finally {
    await client.end();
  }
}

/** Undoes an override as if it had never been. False where there is none of that id. */
export async function removeOverride(
  pool: pg.Pool,
  { siteId, overrideId }: { siteId: number; overrideId: string },
): Promise<boolean> {
  const client = await openSession(pool);
  try {
    const { rows } = await client.query<{ is_gone: boolean }>(
      'select store.delete_override($1, $2) as is_gone',
      [siteId, overrideId],
    );
    return rows[0]?.is_gone ?? false;
  } finally {
    await client.end();
  }
}

/** The overrides of a site, newest first. */
export async function listOverrides(pool: pg.Pool, siteId: number): Promise<Record<string, unknown>[]> {
  const { rows } = await pool.query<Record<string, unknown>>(
    `select overrides.override_id, store.person_at(overrides.site_id, overrides.identity_id, overrides.from_at) as person_id,
       overrides.stage, overrides.from_at, overrides.until_at, overrides.author, overrides.note
     from store.overrides
     where overrides.site_id = $1
     order by overrides.from_at desc, overrides.override_id desc`,
    [siteId],
  );
  return rows;
}

async function refuseUnknownStage(client: pg.Client, siteId: number, stage: string): Promise<void> {
  const { rows } = await client.query<{ stages: string[] }>(
    `select model_machines.stages
     from store.sites
     join store.model_machines
       on model_machines.model_name = sites.model_name and model_machines.version = sites.model_version
     where sites.site_id = $1`,
    [siteId],
  );
  const [row] = rows;
  if (!row) throw new Refusal(`there is no site ${siteId}; milepost site list shows them.`);
  if (!row.stages.includes(stage)) {
    throw new Refusal(`there is no stage ${stage}; the stages of this site are ${row.stages.join(', ')}.`);
  }
}

/** The identity that an override is kept under: a user id where the person has one, since that stays the person's. */
async function identityOf(client: pg.Client, siteId: number, whose: Whose): Promise<string> {
  const isPerson = 'personId' in whose;
  const { rows } = await client.query<{ identity_id: string }>(
    `select identities.identity_id
     from store.identities
     where identities.site_id = $1
       and (case when $2 then identities.person_id = $3::uuid or identities.former_person_id = $3::uuid
         else identities.identity_id = $3::uuid end)
     order by identities.type <> 'user_id', identities.from_at, identities.identity_id
     limit 1`,
    [siteId, isPerson, isPerson ? whose.personId : identityIdOf(whose.type, whose.value)],
  );
  const [row] = rows;
  if (!row) throw new Refusal('nobody of this site is known by that; look the person up with the API first.');
  return row.identity_id;
}
