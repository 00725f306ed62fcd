import { identityIdOf } from '@milepost/shared';
import type { Pool } from 'pg';
import type { z } from 'zod';
import { isProven } from './proof.ts';
import { queryRows } from './rows.ts';
import type { meSchema } from './schemas.ts';

/** What a visitor may know of themselves. */
export type Me = z.infer<typeof meSchema>;

/** What is told of a visitor who was never seen, and of one who does not prove to be the user they say they are. */
const nobody: Me = {
  stage: null,
  furthest_stage: null,
  since: null,
  is_customer: null,
  segments: [],
  variants: {},
};

type OwnRow = Pick<Me, 'stage' | 'furthest_stage' | 'since' | 'is_customer'> & {
  user_id: string | null;
  secrets: string[];
};

/**
 * What a browser may know of its person now. Anybody can claim to be a user; so while the person has a user id,
 * whoever has no `proof` of that id gets the very answer of an unknown visitor.
 */
export async function meOf(
  pool: Pool,
  { siteId, visitorId, proof }: { siteId: number; visitorId: string; proof: string | undefined },
): Promise<Me> {
  const [row] = await queryRows<OwnRow>(pool, {
    name: 'api-me',
    text: `select
        persons.user_id, current_stages.stage, current_stages.furthest_stage, current_stages.since, persons.is_customer,
        case when persons.user_id is not null and $3 then array(
          select identity_secrets.secret
          from store.identity_secrets
          where identity_secrets.site_id = $1
            and (identity_secrets.expires_at is null or identity_secrets.expires_at > now())
        ) else '{}' end as secrets
      from journey.persons
      left join journey.current_stages
        on current_stages.site_id = persons.site_id
        and current_stages.person_id = persons.person_id
      where persons.site_id = $1 and persons.person_id = (
        select identities.person_id
        from journey.identities
        where identities.site_id = $1 and identities.identity_id = $2
        order by identities.spell desc
        limit 1
      )`,
    values: [siteId, identityIdOf('anonymous_id', visitorId), proof !== undefined],
  });
  if (row === undefined) return nobody;
  const { user_id: userId, secrets, ...own } = row;
  if (userId !== null && !isProven(userId, proof ?? '', secrets)) return nobody;
  return { ...nobody, ...own };
}
