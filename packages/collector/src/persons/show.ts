import type pg from 'pg';
import { identityIdOf } from '@milepost/shared';
import { CorrectionRefused } from './corrections.ts';
import type { Identity } from './links.ts';

/** Whom to look for: a person id, also a former one, or whoever an identity belongs to now. */
export type Finding = { personId: string } | Identity;

/** The id of a person, former ids left as they are. */
export async function findPerson(pool: pg.Pool, siteId: number, whom: Finding): Promise<string> {
  if ('personId' in whom) return whom.personId;
  const { rows } = await pool.query<{ person_id: string }>(
    `select identities.person_id
     from journey.identities
     where identities.site_id = $1 and identities.identity_id = $2
     order by identities.spell desc
     limit 1`,
    [siteId, identityIdOf(whom.type, whom.value)],
  );
  const [row] = rows;
  if (!row) throw new CorrectionRefused('unknown', `site ${siteId} has not seen ${whom.type}:${whom.value}.`);
  return row.person_id;
}

/** What `milepost person show` tells. */
export type PersonShown = Record<string, unknown> & {
  identities: Record<string, unknown>[];
  corrections: Record<string, unknown>[];
};

export async function personShown(pool: pg.Pool, siteId: number, whom: Finding): Promise<PersonShown> {
  const asked = await findPerson(pool, siteId, whom);
  const { rows: persons } = await pool.query<Record<string, unknown>>(
    `select persons.person_id, persons.user_id, current_stages.stage, current_stages.since, persons.customer_status,
       persons.first_seen_at, persons.last_seen_at
     from journey.persons
     left join journey.current_stages
       on current_stages.site_id = persons.site_id and current_stages.person_id = persons.person_id
     where persons.site_id = $1 and persons.person_id = coalesce(
       (select present.person_id from journey.persons as present where present.site_id = $1 and present.person_id = $2),
       (select identities.person_id from journey.identities
         where identities.site_id = $1 and identities.former_person_id = $2
         order by identities.last_seen_at desc limit 1))`,
    [siteId, asked],
  );
  const [person] = persons;
  if (!person) throw new CorrectionRefused('unknown', `site ${siteId} has no person ${asked}.`);
  const { rows: identities } = await pool.query<Record<string, unknown>>(
    `select identities.type, identities.value, identities.cause, identities.valid_from, identities.valid_to,
       identities.former_person_id
     from journey.identities
     where identities.site_id = $1 and identities.person_id = $2
     order by identities.first_seen_at, identities.type, identities.value`,
    [siteId, person['person_id']],
  );
  const { rows: corrections } = await pool.query<Record<string, unknown>>(
    `select corrections.corrected_at, corrections.correction, corrections.type || ':' || corrections.value as identity,
       corrections.other_type || ':' || corrections.other_value as other, corrections.author, corrections.note
     from store.identity_corrections as corrections
     where corrections.site_id = $1 and exists (
       select from store.identities
       where identities.site_id = $1 and identities.person_id = $2
         and identities.identity_id in (corrections.identity_id, corrections.other_id)
     )
     order by corrections.corrected_at, corrections.correction_id`,
    [siteId, person['person_id']],
  );
  return { ...person, identities, corrections };
}
