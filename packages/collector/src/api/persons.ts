import { identityIdOf } from '@milepost/shared';
import type { Pool } from 'pg';
import type { z } from 'zod';
import type { Access } from './access.ts';
import { queryRows } from './rows.ts';
import type { personSchema } from './schemas.ts';

/** One person with stage and identities. */
export type Person = z.infer<typeof personSchema>;

const person = `select
    persons.person_id, persons.user_id,
    current_stages.stage, current_stages.furthest_stage, current_stages.since, current_stages.journey_number,
    coalesce(current_stages.lapsed, false) as lapsed, current_stages.last_signal_at, current_stages.model_version,
    persons.is_customer, persons.customer_status, persons.order_count, persons.is_fully_refunded, persons.net_revenue, persons.currency,
    persons.first_seen_at, persons.last_seen_at, persons.first_channel,
    coalesce(persons.traits, '{}') as traits,
    array(
      select jsonb_build_object(
        'type', identities.type, 'value', identities.value,
        'first_seen_at', identities.first_seen_at, 'last_seen_at', identities.last_seen_at,
        'valid_from', identities.valid_from, 'valid_to', identities.valid_to,
        'cause', identities.cause, 'former_person_id', identities.former_person_id
      )
      from journey.identities
      where identities.site_id = persons.site_id and identities.person_id = persons.person_id
      order by identities.first_seen_at, identities.type, identities.value
    ) as identities
  from journey.persons
  left join journey.current_stages
    on current_stages.site_id = persons.site_id
    and current_stages.person_id = persons.person_id
  where persons.site_id = $1`;

/** The person with this id, or undefined. Three index look-ups. */
export async function personById(pool: Pool, access: Access, personId: string): Promise<Person | undefined> {
  const rows = await queryRows<Person>(pool, {
    name: 'api-person-by-id',
    text: `${person} and persons.person_id = $2`,
    values: [access.siteId, personId],
  });
  return printed(rows[0], access);
}

/** The person whom an identity speaks for now (its last spell), or undefined. */
export async function personByIdentity(
  pool: Pool,
  access: Access,
  { type, value }: { type: string; value: string },
): Promise<Person | undefined> {
  const rows = await queryRows<Person>(pool, {
    name: 'api-person-by-identity',
    text: `${person} and persons.person_id = (
        select identities.person_id
        from journey.identities
        where identities.site_id = $1 and identities.identity_id = $2
        order by identities.spell desc
        limit 1
      )`,
    values: [access.siteId, identityIdOf(type, value)],
  });
  return printed(rows[0], access);
}

/** The person that a former id was joined into, or undefined. */
export async function survivorOf(
  pool: Pool,
  { siteId }: Access,
  formerPersonId: string,
): Promise<string | undefined> {
  const rows = await queryRows<{ person_id: string }>(pool, {
    name: 'api-survivor',
    text: `select identities.person_id
      from journey.identities
      where identities.site_id = $1 and identities.former_person_id = $2
      order by identities.valid_to desc nulls first, identities.last_seen_at desc
      limit 1`,
    values: [siteId, formerPersonId],
  });
  return rows[0]?.person_id;
}

function printed(person: Person | undefined, { scopes }: Access): Person | undefined {
  if (person === undefined) return undefined;
  const { email: _email, phone: _phone, ...otherTraits } = person.traits;
  return {
    ...person,
    traits: scopes.has('read:contacts') ? person.traits : otherTraits,
    identities: person.identities.map((identity) => ({
      ...identity,
      first_seen_at: asUtc(identity.first_seen_at),
      last_seen_at: asUtc(identity.last_seen_at),
      valid_from: identity.valid_from === null ? null : asUtc(identity.valid_from),
      valid_to: identity.valid_to === null ? null : asUtc(identity.valid_to),
    })),
  };
}

/** JSON made by PostgreSQL carries the offset of its connection's time zone. */
const asUtc = (text: string) => new Date(text).toISOString();

/** Whether the site has this person now. */
export async function personExists(pool: Pool, { siteId }: Access, personId: string): Promise<boolean> {
  const rows = await queryRows(pool, {
    name: 'api-person-exists',
    text: 'select persons.person_id from journey.persons where persons.site_id = $1 and persons.person_id = $2',
    values: [siteId, personId],
  });
  return rows.length > 0;
}
