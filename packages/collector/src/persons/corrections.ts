import type pg from 'pg';
import { openSession } from '../derive/session.ts';
import type { Identity, Link } from './links.ts';

/** Who says so, and why. */
export type Saying = { author: string; note?: string | undefined };

/** What was said by hand, as a receipt tells it. */
export type SaidLink = { kind: Link['kind']; identity: Identity; other: Identity };

/** Why a correction was not made. `kind` tells a caller what to answer, the message a person what to do. */
export class CorrectionRefused extends Error {
  override readonly name = 'CorrectionRefused';
  readonly kind: 'unknown' | 'refused' | 'busy';

  constructor(kind: CorrectionRefused['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

// As long as a rebuild holds a site nothing can be said; a caller is told so instead of being kept waiting.
const lockTimeout = '15s';

/** Runs work on a site that no deriver touches meanwhile, in one transaction that is undone when it fails. */
export async function correcting<Result>(
  pool: pg.Pool,
  siteId: number,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = await openSession(pool);
  try {
    await client.query('begin');
    await client.query(`set local lock_timeout = '${lockTimeout}'`);
    await client.query('select store.lock_site($1)', [siteId]);
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    if ((error as { code?: string }).code === '55P03') {
      throw new CorrectionRefused('busy', 'the site is being derived; say it again in a moment.');
    }
    throw error;
  } finally {
    await client.end(); // what was not committed is undone with it
  }
}

/** Keeps a word on pairs of identities and derives what follows. Resolves to the instant it stands at. */
export async function say(
  client: pg.Client,
  siteId: number,
  { correction, links, author, note }: Saying & { correction: 'merge' | 'sever'; links: Link[] },
): Promise<Date> {
  const words = links.map(({ kind, one, other }) => ({
    kind,
    type: one.type,
    value: one.value,
    other_type: other.type,
    other_value: other.value,
    correction,
  }));
  const { rows } = await client.query<{ said_at: Date }>(
    'select store.put_corrections($1, $2, $3, $4) as said_at',
    [siteId, JSON.stringify(words), author, note ?? null],
  );
  return rows[0]!.said_at;
}

/** The person that an id stands for now: itself, or the one it was joined into. */
export async function presentPerson(
  client: pg.Client,
  siteId: number,
  personId: string,
): Promise<{ personId: string; isFormer: boolean }> {
  const { rows } = await client.query<{ person_id: string; is_former: boolean }>(
    `select listed.person_id, listed.is_former
     from (
       select persons.person_id, false as is_former, null::timestamptz as last_seen_at
       from store.persons
       where persons.site_id = $1 and persons.person_id = $2
       union all
       select identities.person_id, true, identities.last_seen_at
       from store.identities
       where identities.site_id = $1 and identities.former_person_id = $2
     ) as listed
     order by listed.is_former, listed.last_seen_at desc
     limit 1`,
    [siteId, personId],
  );
  const [row] = rows;
  if (!row) throw new CorrectionRefused('unknown', `site ${siteId} has no person ${personId}.`);
  return { personId: row.person_id, isFormer: row.is_former };
}

/** A receipt's words for a link. */
export function told({ kind, one, other }: Link): SaidLink {
  return { kind, identity: one, other };
}
