import type { Pool } from 'pg';
import { queryRows } from '../api/rows.ts';
import type { Arrived, Derived, Rejected } from './events.ts';

/** Most rows of one look; more than that nobody reads. */
export const mostAtOnce = 500;

/**
 * Now, by the clock of PostgreSQL, and the instant before which everything that was received is stored. Both in ISO 8601.
 */
export async function clocksOf(pool: Pool): Promise<{ now: string; storedUntil: string }> {
  const [row] = await queryRows<{ now: string; stored_until: string }>(pool, {
    name: 'debug-clocks',
    text: `select clock_timestamp() as now, least(clock_timestamp(), min(collectors.acked_until)) as stored_until
      from store.collectors
      where collectors.seen_at > clock_timestamp() - interval '1 minute'`,
  });
  if (row === undefined) throw new Error('PostgreSQL has no clock');
  return { now: row.now, storedUntil: row.stored_until };
}

/** Touchpoints received since, the oldest first; imports are files, and not what arrives. */
export function arrivedSince(
  pool: Pool,
  siteId: number,
  { since, withContacts }: { since: string; withContacts: boolean },
): Promise<Arrived[]> {
  return queryRows<Arrived>(pool, {
    name: 'debug-arrived',
    text: `select
        'touchpoint' as type,
        case when touchpoints.bot_reason is not null then 'bot'
          when touchpoints.internal_reason is not null then 'internal' else 'accepted' end as verdict,
        touchpoints.touchpoint_id,
        touchpoints.received_at,
        touchpoints.occurred_at,
        touchpoints.name,
        touchpoints.type as call,
        touchpoints.source,
        touchpoints.ingested_by,
        touchpoints.anonymous_id as visitor_id,
        touchpoints.user_id,
        substring(touchpoints.context #>> '{page,url}' from '^[a-z]+://[^/?#]*([^?#]*)') as page,
        case when $4 then touchpoints.properties else touchpoints.properties - '{email,phone}'::text[] end as properties,
        array_remove(array[touchpoints.bot_reason, touchpoints.internal_reason], null)
          || coalesce(touchpoints.flags, '{}') as reasons
      from store.touchpoints
      where touchpoints.site_id = $1 and touchpoints.received_at >= $2 and touchpoints.ingested_by <> 'import'
      order by touchpoints.received_at, touchpoints.occurred_at, touchpoints.sequence
      limit $3`,
    values: [siteId, since, mostAtOnce + 1, withContacts],
  });
}

/** Events received since that were not stored. */
export async function rejectedSince(
  pool: Pool,
  siteId: number,
  { since }: { since: string },
): Promise<Rejected[]> {
  const rows = await queryRows<Omit<Rejected, 'name'> & { event: string | null }>(pool, {
    name: 'debug-rejected',
    text: `select 'rejected' as type, 'rejected' as verdict, rejected_events.rejected_id, rejected_events.received_at,
        rejected_events.reason, rejected_events.detail, rejected_events.ingested_by, rejected_events.event
      from store.rejected_events
      where rejected_events.site_id = $1 and rejected_events.received_at >= $2
        and rejected_events.ingested_by <> 'import'
      order by rejected_events.received_at
      limit $3`,
    values: [siteId, since, mostAtOnce + 1],
  });
  return rows.map(({ event, ...row }) => ({ ...row, name: nameIn(event) }));
}

/** The name of an event as it came, which may be anything. */
function nameIn(event: string | null): string | null {
  try {
    const said = JSON.parse(event ?? 'null') as { name?: unknown; event?: unknown } | null;
    const name = said?.name ?? said?.event;
    return typeof name === 'string' ? name.slice(0, 200) : null;
  } catch {
    return null;
  }
}

/** What derivation made of those of the touchpoints that it has dealt with. */
export function derivedOf(pool: Pool, siteId: number, touchpointIds: readonly string[]): Promise<Derived[]> {
  return queryRows<Derived>(pool, {
    name: 'debug-derived',
    text: `select
        'derived' as type,
        seen.touchpoint_id,
        seen.name,
        seen.person_id,
        seen.session_id,
        seen.channel,
        coalesce(moved.signal, matched.signal) as signal,
        current_stages.stage,
        case when moved.to_stage is not null then jsonb_build_object(
          'from_stage', moved.from_stage, 'to_stage', moved.to_stage, 'direction', moved.direction,
          'rule', moved.rule, 'skipped_stages', to_jsonb(moved.skipped_stages)
        ) end as transition
      from unnest($2::uuid[]) as asked (touchpoint_id)
      cross join lateral (
        select touchpoints.*, stored.batch_id
        from store.touchpoints as stored
        join journey.touchpoints
          on touchpoints.site_id = stored.site_id and touchpoints.touchpoint_id = stored.touchpoint_id
        where stored.site_id = $1 and stored.touchpoint_id = asked.touchpoint_id
      ) as seen
      left join store.batches on batches.site_id = seen.site_id and batches.batch_id = seen.batch_id
      left join journey.current_stages
        on current_stages.site_id = seen.site_id and current_stages.person_id = seen.person_id
      left join lateral (
        select stage_transitions.*
        from journey.stage_transitions
        where stage_transitions.site_id = seen.site_id and stage_transitions.person_id = seen.person_id
          and stage_transitions.touchpoint_id = seen.touchpoint_id
        limit 1
      ) as moved on true
      left join lateral (
        select model_machines.signals[model_rules.signal] as signal
        from store.sites
        join store.model_rules
          on model_rules.model_name = sites.model_name and model_rules.version = sites.model_version
        join store.model_machines
          on model_machines.model_name = sites.model_name and model_machines.version = sites.model_version
        where sites.site_id = seen.site_id and model_rules.event_name = seen.name
          and (model_rules.condition is null or store.matches(model_rules.condition, seen.properties))
        order by model_rules.position
        limit 1
      ) as matched on true
      where batches.batch_id is null and seen.person_id is not null`,
    values: [siteId, touchpointIds],
  });
}

/** How many resends the site has had. */
export async function duplicatesOf(pool: Pool, siteId: number): Promise<number> {
  const [row] = await queryRows<{ count: number }>(pool, {
    name: 'debug-duplicates',
    text: `select coalesce(sum(counters.value), 0)::bigint as count
      from store.counters
      where counters.site_id = $1 and counters.name = 'duplicate' and counters.day >= current_date - 1`,
    values: [siteId],
  });
  return row?.count ?? 0;
}
