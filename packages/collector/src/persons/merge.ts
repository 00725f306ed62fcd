import type pg from 'pg';
import {
  correcting,
  CorrectionRefused,
  presentPerson,
  type SaidLink,
  say,
  type Saying,
  told,
} from './corrections.ts';
import type { Identity, Link } from './links.ts';

export type MergeOptions = Saying & { siteId: number; from: string; into: string };

/** What a merge did: `from` answers 308 to `into` now. */
export type MergeReceipt = {
  action: 'merge';
  from: string;
  into: string;
  links: SaidLink[];
  author: string;
  note: string | null;
  corrected_at: string;
};

/**
 * Makes two persons one, as if from the start. Of two with user ids `into` survives; else the one with a user id does;
 * of two without, the one seen first. Undone by `unmerge`.
 */
export async function mergePersons(
  pool: pg.Pool,
  { siteId, from, into, author, note }: MergeOptions,
): Promise<MergeReceipt> {
  return correcting(pool, siteId, async (client) => {
    const [one, other] = [
      await presentPerson(client, siteId, from),
      await presentPerson(client, siteId, into),
    ];
    if (one.personId === other.personId) {
      throw new CorrectionRefused('refused', 'they are one person already.');
    }
    const link = linkOf(
      await anchorOf(client, siteId, one.personId),
      await anchorOf(client, siteId, other.personId),
    );
    const saidAt = await say(client, siteId, { correction: 'merge', links: [link], author, note });
    const { rows } = await client.query<{ person_id: string }>(
      `select distinct identities.person_id
       from store.identities
       where identities.site_id = $1 and identities.person_id = any ($2)`,
      [siteId, [one.personId, other.personId]],
    );
    const [survivor, ...others] = rows.map(({ person_id }) => person_id);
    if (survivor === undefined || others.length > 0) {
      throw new CorrectionRefused(
        'refused',
        'together they have more identities than a person may (identity_set_limit).',
      );
    }
    return {
      action: 'merge',
      from: survivor === one.personId ? other.personId : one.personId,
      into: survivor,
      links: [told(link)],
      author,
      note: note ?? null,
      corrected_at: saidAt.toISOString(),
    };
  });
}

/** What to say of two identities so that their persons are one. */
function linkOf(one: Identity, other: Identity): Link {
  const [isUser, isOtherUser] = [one.type === 'user_id', other.type === 'user_id'];
  if (isUser && isOtherUser) return { kind: 'alias', one, other };
  if (isUser) return { kind: 'join', one: other, other: one };
  return { kind: isOtherUser ? 'join' : 'share', one, other };
}

/** The identity that a person's id is made of. */
async function anchorOf(client: pg.Client, siteId: number, personId: string): Promise<Identity> {
  const { rows } = await client.query<Identity>(
    `with owned as (
       select identities.identity_id, identities.type, identities.value
       from store.identities
       where identities.site_id = $1 and identities.person_id = $2
     )

     select named.type, named.value
     from (
       select owned.type, owned.value from owned
       union
       select assignments.anchor_type, assignments.anchor_value
       from owned
       join store.identity_assignments as assignments
         on assignments.site_id = $1 and assignments.identity_id = owned.identity_id
     ) as named
     join store.sites on sites.site_id = $1
     where store.keyed_person_id(
       store.xor_key(sites.person_secret, 54), store.xor_key(sites.person_secret, 92), named.type, named.value) = $2`,
    [siteId, personId],
  );
  const [anchor] = rows;
  if (!anchor) throw new CorrectionRefused('unknown', `nothing was seen of person ${personId}.`);
  return anchor;
}
