create view journey.stage_metrics as
select
  stays.site_id,
  stays.day,
  stays.channel,
  stays.stage,
  stays.entered,
  stays.left_count,
  coalesce((
    select jsonb_object_agg(ways.to_stage, ways.stays)
    from (
      select stage_days.to_stage, sum(stage_days.stays)::bigint as stays
      from store.stage_days
      where stage_days.site_id = stays.site_id and stage_days.day = stays.day and stage_days.channel = stays.channel
        and stage_days.stage = stays.stage and stage_days.to_stage <> ''
      group by stage_days.to_stage
    ) as ways
  ), '{}') as left_to,
  stays.moved_on,
  stays.moved_on::double precision / nullif(stays.entered, 0) as conversion_to_next,
  stays.quantiles[1] as median_seconds,
  stays.quantiles[2] as p90_seconds
from (
  select
    stage_days.site_id, stage_days.day, stage_days.channel, stage_days.stage,
    coalesce(sum(stage_days.stays) filter (where stage_days.to_stage = ''), 0)::bigint as entered,
    coalesce(sum(stage_days.stays) filter (where stage_days.to_stage <> ''), 0)::bigint as left_count,
    coalesce(sum(stage_days.stays) filter (
      where array_position(model_machines.stages, stage_days.to_stage)
        > array_position(model_machines.stages, stage_days.stage)), 0)::bigint as moved_on,
    store.quantiles(
      array_agg(stage_days.milliseconds::double precision / 1000 / stage_days.stays
        order by stage_days.milliseconds::double precision / 1000 / stage_days.stays) filter (where stage_days.to_stage <> ''),
      array_agg(stage_days.stays
        order by stage_days.milliseconds::double precision / 1000 / stage_days.stays) filter (where stage_days.to_stage <> ''),
      array[0.5, 0.9]) as quantiles
  from store.stage_days
  join store.sites on sites.site_id = stage_days.site_id
  join store.model_machines
    on model_machines.model_name = sites.model_name and model_machines.version = sites.model_version
  group by stage_days.site_id, stage_days.day, stage_days.channel, stage_days.stage
) as stays;

comment on view journey.stage_metrics is
  'One row per day, channel and stage: the stays in the stage that began that day, and what became of them since. A stay begins with one transition and ends with the next.';
comment on column journey.stage_metrics.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.stage_metrics.day is 'Day in the site''s time zone on which the stays began.';
comment on column journey.stage_metrics.channel is 'First channel of the persons, the one that brought them.';
comment on column journey.stage_metrics.stage is 'Name of the stage.';
comment on column journey.stage_metrics.entered is 'Stays begun: transitions into the stage.';
comment on column journey.stage_metrics.left_count is 'Those of them that have ended.';
comment on column journey.stage_metrics.left_to is 'Ended stays by the stage they led to, as {"stage": count}.';
comment on column journey.stage_metrics.moved_on is 'Ended stays that led to a later stage.';
comment on column journey.stage_metrics.conversion_to_next is 'moved_on by entered, between 0 and 1.';
comment on column journey.stage_metrics.median_seconds is
  'Median length of the ended stays. Lengths within half a per cent of each other may count at their mean.';
comment on column journey.stage_metrics.p90_seconds is 'The length that nine of ten ended stays do not exceed.';
