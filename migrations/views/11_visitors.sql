create view journey.visitors as
select
  identities.site_id,
  identities.value as visitor_id,
  identities.person_id,
  first_spell.first_seen_at,
  identities.last_seen_at
from store.identities
join lateral (
  select spells.first_seen_at
  from store.identities as spells
  where spells.site_id = identities.site_id and spells.identity_id = identities.identity_id and spells.spell = 1
) as first_spell on true
where identities.type = 'anonymous_id'
  and not exists (
    select from store.identities as later
    where later.site_id = identities.site_id and later.identity_id = identities.identity_id and later.spell > identities.spell
  );

comment on view journey.visitors is
  'One row per visitor: a browser or device, known by its anonymous id.';
comment on column journey.visitors.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.visitors.visitor_id is 'The anonymous id as given.';
comment on column journey.visitors.person_id is 'The person it belongs to now.';
comment on column journey.visitors.first_seen_at is 'Its first touchpoint.';
comment on column journey.visitors.last_seen_at is 'Its latest touchpoint.';
