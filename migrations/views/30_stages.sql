create view journey.stages as
select
  sites.site_id,
  stages.position::integer as position,
  stages.stage,
  models.document ->> 'name' as model_name,
  model_machines.version as model_version
from store.sites
join store.model_machines
  on model_machines.model_name = sites.model_name and model_machines.version = sites.model_version
join store.models on models.model_name = sites.model_name and models.version = sites.model_version
cross join lateral unnest(model_machines.stages) with ordinality as stages (stage, position);

comment on view journey.stages is
  'One row per stage of the site''s journey model, in order.';
comment on column journey.stages.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.stages.position is '1 for the first stage.';
comment on column journey.stages.stage is 'Name of the stage.';
comment on column journey.stages.model_name is 'The site''s journey model.';
comment on column journey.stages.model_version is 'Its version.';
