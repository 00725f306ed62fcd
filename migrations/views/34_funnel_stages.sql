create view journey.funnel_stages as
select
  stages.site_id,
  stages.position,
  stages.stage,
  standings.standing,
  standings.entered,
  standings.reached,
  standings.reached_next,
  case when stages.is_last then null
  else standings.reached_next::double precision / nullif(standings.reached, 0) end as conversion_to_next,
  coalesce(lengths.left_count, 0) as left_count,
  coalesce((
    select jsonb_object_agg(ways.to_stage, ways.stays)
    from (
      select stage_lengths.to_stage, sum(stage_lengths.stays) as stays
      from store.stage_lengths
      where stage_lengths.site_id = stages.site_id and stage_lengths.stage = stages.stage
      group by stage_lengths.to_stage
    ) as ways
  ), '{}') as left_to,
  lengths.median_seconds,
  lengths.p90_seconds
from (
  select sites.site_id, listed.position::integer as position, listed.stage,
    listed.position = cardinality(model_machines.stages) as is_last
  from store.sites
  join store.model_machines
    on model_machines.model_name = sites.model_name and model_machines.version = sites.model_version
  cross join lateral unnest(model_machines.stages) with ordinality as listed (stage, position)
) as stages
cross join lateral (
  select
    coalesce(sum(stage_standings.persons) filter (where stage_standings.stage = stages.stage), 0)::bigint as standing,
    coalesce(sum(stage_standings.persons)
      filter (where stage_standings.entered_stages & (1 << (stages.position - 1)) <> 0), 0)::bigint as entered,
    coalesce(sum(stage_standings.persons) filter (where stage_standings.furthest >= stages.position), 0)::bigint as reached,
    coalesce(sum(stage_standings.persons) filter (where stage_standings.furthest > stages.position), 0)::bigint as reached_next
  from store.stage_standings
  where stage_standings.site_id = stages.site_id
) as standings
cross join lateral (
  select sum(rows_at_hand.stays)::bigint as left_count,
    store.quantile(array_agg(rows_at_hand.seconds order by rows_at_hand.seconds),
      array_agg(rows_at_hand.stays order by rows_at_hand.seconds), 0.5) as median_seconds,
    store.quantile(array_agg(rows_at_hand.seconds order by rows_at_hand.seconds),
      array_agg(rows_at_hand.stays order by rows_at_hand.seconds), 0.9) as p90_seconds
  from (
    select stage_lengths.stays, stage_lengths.milliseconds::double precision / 1000 / stage_lengths.stays as seconds
    from store.stage_lengths
    where stage_lengths.site_id = stages.site_id and stage_lengths.stage = stages.stage
  ) as rows_at_hand
) as lengths;

comment on view journey.funnel_stages is
  'One row per stage of the site''s journey model: the funnel of all persons, over all time. By day and channel: journey.stage_metrics.';
comment on column journey.funnel_stages.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.funnel_stages.position is '1 for the first stage.';
comment on column journey.funnel_stages.stage is 'Name of the stage.';
comment on column journey.funnel_stages.standing is 'Persons who stand in it now.';
comment on column journey.funnel_stages.entered is 'Persons who ever stood in it.';
comment on column journey.funnel_stages.reached is
  'Persons who ever came that far: they stood in it or, having skipped it, in a later one.';
comment on column journey.funnel_stages.reached_next is 'Those of them who came farther, to the next stage or a later one.';
comment on column journey.funnel_stages.conversion_to_next is
  'reached_next by reached, between 0 and 1; null for the last stage.';
comment on column journey.funnel_stages.left_count is 'Stays in it that have ended; a person may have several.';
comment on column journey.funnel_stages.left_to is 'Ended stays by the stage they led to, as {"stage": count}.';
comment on column journey.funnel_stages.median_seconds is
  'Median length of the ended stays. Lengths within half a per cent of each other may count at their mean.';
comment on column journey.funnel_stages.p90_seconds is 'The length that nine of ten ended stays do not exceed.';
