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
  coalesce(lengths.left_to, '{}') as left_to,
  lengths.quantiles[1] as median_seconds,
  lengths.quantiles[2] as p90_seconds
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
  select
    sum(grouped.stays) filter (where grouped.to_stage is not null)::bigint as left_count,
    jsonb_object_agg(grouped.to_stage, grouped.stays) filter (where grouped.to_stage is not null) as left_to,
    store.quantiles(
      array_agg(grouped.milliseconds::double precision / 1000 / grouped.stays order by grouped.step)
        filter (where grouped.step is not null),
      array_agg(grouped.stays order by grouped.step) filter (where grouped.step is not null), array[0.5, 0.9]) as quantiles
  from (
    select stage_lengths.to_stage, stage_lengths.step, sum(stage_lengths.stays)::bigint as stays,
      sum(stage_lengths.milliseconds)::bigint as milliseconds
    from store.stage_lengths
    where stage_lengths.site_id = stages.site_id and stage_lengths.stage = stages.stage
    group by grouping sets ((stage_lengths.to_stage), (stage_lengths.step))
  ) as grouped
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
