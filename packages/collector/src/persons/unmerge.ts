import type pg from 'pg';
import { identityIdOf } from '@milepost/shared';
import {
  correcting,
  CorrectionRefused,
  presentPerson,
  type SaidLink,
  say,
  type Saying,
  told,
} from './corrections.ts';
import { cutsOfIdentity, cutsOfUser, type Identity, keyOf, type Link } from './links.ts';

/**
 * What to take back: a former id is given back whole; `identity` with `apartFrom` severs that one pair; neither takes
 * back what was merged by hand into the person, if that was one thing.
 */
export type UnmergeOptions = Saying & {
  siteId: number;
  personId: string;
  formerPersonId?: string | undefined;
  identity?: Identity | undefined;
  apartFrom?: Identity | undefined;
};

/** What an un-merge did. `former_person_id` is null where a single pair was severed. */
export type UnmergeReceipt = {
  action: 'unmerge';
  person_id: string;
  former_person_id: string | null;
  links: SaidLink[];
  author: string;
  note: string | null;
  corrected_at: string;
};

/** Severs what joined somebody to a person, by whatever cause, and derives both anew. */
export async function unmergePerson(pool: pg.Pool, options: UnmergeOptions): Promise<UnmergeReceipt> {
  const { siteId, author, note } = options;
  return correcting(pool, siteId, async (client) => {
    const { personId, isFormer } = await presentPerson(client, siteId, options.personId);
    const owned = await identitiesOf(client, siteId, personId);
    const severed: Link[] = [];
    let saidAt: Date | undefined;
    const sever = async (links: Link[]): Promise<void> => {
      saidAt = await say(client, siteId, { correction: 'sever', links, author, note });
      severed.push(...links);
    };
    let formerPersonId: string | null = null;
    if (options.identity && options.apartFrom) {
      await sever(
        await linksBetween(client, siteId, { owned, one: options.identity, other: options.apartFrom }),
      );
    } else {
      const former = formerOf(
        owned,
        options.identity,
        options.formerPersonId ?? (isFormer ? options.personId : undefined),
      );
      formerPersonId = former.former_person_id;
      let cuts = await cutsOf(client, siteId, former);
      // Room under a limit may let another link in, which is severed, too.
      for (let turn = 0; turn < 5 && cuts.length > 0; turn += 1) {
        await sever(cuts);
        cuts = await cutsOf(client, siteId, former);
      }
    }
    if (saidAt === undefined) {
      throw new CorrectionRefused(
        'refused',
        'nothing joins it to the person but touchpoints that carry the user id itself.',
      );
    }
    return {
      action: 'unmerge',
      person_id: personId,
      former_person_id: formerPersonId,
      links: severed.map(told),
      author,
      note: note ?? null,
      corrected_at: saidAt.toISOString(),
    };
  });
}

type Owned = Identity & { former_person_id: string | null; cause: string };

async function identitiesOf(client: pg.Client, siteId: number, personId: string): Promise<Owned[]> {
  const { rows } = await client.query<Owned>(
    `select identities.type, identities.value, identities.former_person_id, identities.cause
     from journey.identities
     where identities.site_id = $1 and identities.person_id = $2`,
    [siteId, personId],
  );
  return rows;
}

/** The identity that somebody is to be by again. */
function formerOf(owned: Owned[], identity: Identity | undefined, formerPersonId: string | undefined): Owned {
  const joined = owned.filter(
    ({ former_person_id, cause }) => former_person_id !== null && cause !== 'refused',
  );
  const named = joined.filter((one) =>
    identity
      ? keyOf(one) === keyOf(identity)
      : formerPersonId
        ? one.former_person_id === formerPersonId.toLowerCase()
        : one.cause === 'manual',
  );
  const [former, ...others] = named;
  if (former && others.length === 0) return former;
  if (identity || formerPersonId) {
    throw new CorrectionRefused('unknown', 'nobody of that id or identity was joined into this person.');
  }
  const ids = (named.length > 0 ? named : joined)
    .map(({ former_person_id }) => former_person_id)
    .slice(0, 20);
  throw new CorrectionRefused(
    'refused',
    ids.length === 0
      ? 'nobody was joined into this person.'
      : `say which of them to give back, as former_person_id: ${ids.join(', ')}.`,
  );
}

async function linksBetween(
  client: pg.Client,
  siteId: number,
  { owned, one, other }: { owned: Owned[]; one: Identity; other: Identity },
): Promise<Link[]> {
  if (!owned.some((identity) => keyOf(identity) === keyOf(one))) {
    throw new CorrectionRefused('unknown', 'the person has no such identity.');
  }
  const ids = [identityIdOf(one.type, one.value), identityIdOf(other.type, other.value)];
  const { rows } = await client.query<LinkRow>(
    `${linkRows} where links.site_id = $1 and links.identity_id = any ($2) and links.other_id = any ($2)
       and links.state = 'accepted'`,
    [siteId, ids],
  );
  if (rows.length === 0) throw new CorrectionRefused('refused', 'nothing links the two identities.');
  return rows.map(linkOf);
}

type LinkRow = { kind: Link['kind']; type: string; value: string; other_type: string; other_value: string };

const linkRows = `select links.kind, links.type, links.value, links.other_type, links.other_value
  from store.identity_links as links`;

// the order in which derivation settles links
const inOrder = `order by case when links.correction = 'merge' then links.corrected_at else links.at end,
  links.correction is distinct from 'merge', links.sequence, links.touchpoint_id, links.type collate "C",
  links.value collate "C", links.other_type collate "C", links.other_value collate "C"`;

const linkOf = ({ kind, type, value, other_type, other_value }: LinkRow): Link => ({
  kind,
  one: { type, value },
  other: { type: other_type, value: other_value },
});

async function cutsOf(client: pg.Client, siteId: number, identity: Identity): Promise<Link[]> {
  const id = identityIdOf(identity.type, identity.value);
  const linked = async (kind: Link['kind']): Promise<Link[]> => {
    const { rows } = await client.query<LinkRow>(
      `${linkRows} where links.site_id = $1 and links.identity_id = any (store.linked_identities($1, $2, $3))
         and links.kind = $3 and links.state = 'accepted' ${inOrder}`,
      [siteId, id, kind],
    );
    return rows.map(linkOf);
  };
  if (identity.type === 'user_id') return cutsOfUser(identity, await linked('alias'));

  const { rows: joins } = await client.query<LinkRow>(
    `${linkRows} where links.site_id = $1 and links.identity_id = $2 and links.kind = 'join' and links.state = 'accepted'`,
    [siteId, id],
  );
  const shares = await linked('share');
  const elsewhere = shares.length > 0 ? await identitiesElsewhere(client, siteId, id) : new Set<string>();
  return cutsOfIdentity(identity, {
    joins: joins.map(linkOf),
    shares,
    isElsewhere: (key) => elsewhere.has(key),
  });
}

/** Of the identities that one was seen with: those that have a user, and those seen before it. */
async function identitiesElsewhere(client: pg.Client, siteId: number, id: string): Promise<Set<string>> {
  const { rows } = await client.query<Identity>(
    `with members as (
       select distinct on (listed.identity_id) listed.identity_id, named.type, named.value,
         exists (
           select from store.identity_links as joins
           where joins.site_id = $1 and joins.identity_id = listed.identity_id and joins.kind = 'join'
             and joins.state = 'accepted'
         ) as has_user,
         first_key.at, first_key.sequence, first_key.touchpoint_id, first_key.is_sighted
       from unnest(store.linked_identities($1, $2, 'share')) as listed (identity_id)
       cross join lateral (
         select links.type, links.value from store.identity_links as links
         where links.site_id = $1 and links.identity_id = listed.identity_id and links.kind = 'share'
         union all
         select links.other_type, links.other_value from store.identity_links as links
         where links.site_id = $1 and links.other_id = listed.identity_id and links.kind = 'share'
       ) as named
       cross join lateral store.first_sighting($1, listed.identity_id) as first_key
     ),

     ranked as (
       select members.*, row_number() over (
         order by members.at, members.sequence, members.touchpoint_id, members.is_sighted, members.type collate "C",
           members.value collate "C"
       ) as rank
       from members
     )

     select ranked.type, ranked.value
     from ranked
     where ranked.identity_id <> $2
       and (ranked.has_user or ranked.rank < (select own.rank from ranked as own where own.identity_id = $2))`,
    [siteId, id],
  );
  return new Set(rows.map(keyOf));
}
