import type { Pool } from 'pg';
import { Problem } from '../problems.ts';
import type { Access } from './access.ts';
import type { Change } from './change-schema.ts';
import { cursorOf, positionOf } from './cursor.ts';
import { queryRows } from './rows.ts';

/** How far one page looks for what its filters let through: more, and a rare type would cost the whole feed. */
const mostLookedAt = 20_000;

/** What of the feed is wanted; an absent filter lets everything through. */
export type FeedFilters = {
  types?: readonly string[] | undefined;
  origins?: readonly string[] | undefined;
  personId?: string | undefined;
};

/** A part of the feed. `position` is where it ends, which is behind its last row where filters passed over others. */
export type FeedPage = { rows: Change[]; position: number; hasMore: boolean };

type Row = Omit<Change, 'cursor'> & {
  cursor: number | null;
  last_cursor: number;
  dropped_cursor: number;
  /** Stretches of cursors that no change has: first one, and the one after the last. */
  lost: [number, number][];
};

/**
 * What follows `position` in the feed of a site. Numbers are given under a lock that is held until commit, so whoever
 * sees one sees all before it: nothing can come in behind a reader. Bounds and rows are read by one statement, so that
 * nothing is dropped between the two either.
 */
export async function changesAfter(
  pool: Pool,
  access: Access,
  { position, filters, limit }: { position: number; filters: FeedFilters; limit: number },
): Promise<FeedPage> {
  const { types, origins, personId } = filters;
  const isPerson = personId !== undefined; // has an index of its own, so it may look at the whole feed
  const rows = await queryRows<Row>(pool, {
    name: isPerson ? 'api-changes-of-person' : 'api-changes',
    text: `select feeds.last_cursor, feeds.dropped_cursor, array(
          select json_build_array(lower(stretches.stretch), upper(stretches.stretch))
          from unnest(feeds.lost) as stretches (stretch)
        ) as lost, changes.cursor, changes.type, changes.person_id,
        changes.subject_id, changes.occurred_at, changes.recorded_at, changes.origin, changes.before, changes.after
      from store.feeds
      left join lateral (
        select changes.*
        from journey.changes
        where changes.site_id = feeds.site_id and changes.cursor > greatest($2, feeds.dropped_cursor)
          and changes.cursor <= least(feeds.last_cursor, greatest($2, feeds.dropped_cursor) + $6::bigint)
          and ($3::text[] is null or changes.type = any ($3))
          and ($4::text[] is null or changes.origin = any ($4))
          and ${isPerson ? 'changes.person_id = $7' : 'true'}
        order by changes.cursor
        limit $5
      ) as changes on true
      where feeds.site_id = $1
      order by changes.cursor`,
    values: [
      access.siteId,
      position,
      types ?? null,
      origins ?? null,
      limit,
      isPerson ? 2 ** 52 : mostLookedAt,
      ...(isPerson ? [personId] : []),
    ],
  });
  const last = rows[0]?.last_cursor ?? 0;
  const dropped = rows[0]?.dropped_cursor ?? 0;
  const lost = rows[0]?.lost ?? [];
  if (position > last || (position < dropped && position !== beginning) || stretchWith(position, lost))
    throw expired();

  const found = rows.filter((row) => row.cursor !== null);
  const looked = lookedUntil({ position: Math.max(position, dropped), last, found, limit, isPerson });
  const end = stretchWith(looked, lost)?.[1] ?? looked;
  return { rows: found.map((row) => printed(row, access)), position: end, hasMore: end < last };
}

/** The stretch of lost cursors that a place is in. Whoever read until there knows changes that are not told any more. */
function stretchWith(position: number, lost: [number, number][]): [number, number] | undefined {
  return lost.find(([first, end]) => position >= first && position < end);
}

/** Before whatever the feed still holds. */
export const beginning = -1;

/** Where the feed of a site ends now. */
export async function endOfFeed(pool: Pool, { siteId }: Access): Promise<number> {
  const [feed] = await queryRows<{ last_cursor: number }>(pool, {
    text: 'select feeds.last_cursor from store.feeds where feeds.site_id = $1',
    values: [siteId],
  });
  return feed?.last_cursor ?? 0;
}

/** The text that stands for a place in the feed, whatever the filters. */
export function feedCursorOf(position: number, access: Access): string {
  return cursorOf([String(position)], { secret: access.secret, list: 'changes' });
}

/** The place in the feed that a cursor stands for. */
export function feedPositionOf(cursor: string, access: Access): number {
  return Number(positionOf(cursor, { secret: access.secret, list: 'changes' })[0]);
}

function lookedUntil({
  position,
  last,
  found,
  limit,
  isPerson,
}: {
  position: number;
  last: number;
  found: Row[];
  limit: number;
  isPerson: boolean;
}): number {
  if (found.length === limit) return found.at(-1)?.cursor ?? position;
  const looked = position + mostLookedAt;
  return isPerson || looked > last ? last : looked;
}

function expired(): Problem {
  return new Problem(
    'cursor-expired',
    'Changes after this cursor are not kept any more. Ask for `/v1/changes?start=latest` and keep its `next_cursor`, read anew what you keep a copy of (persons by stage, carts, orders), then follow the feed from that cursor.',
  );
}

function printed(
  { last_cursor: _last, dropped_cursor: _dropped, lost: _lost, ...row }: Row,
  access: Access,
): Change {
  return { ...row, cursor: feedCursorOf(row.cursor ?? 0, access) };
}
