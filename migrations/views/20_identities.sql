create view journey.identities as
select
  identities.site_id,
  identities.person_id,
  identities.identity_id,
  identities.spell,
  identities.type,
  identities.value,
  identities.first_seen_at,
  identities.last_seen_at,
  case when identities.spell = 1 then identities.first_seen_at else identities.from_at end as valid_from,
  next_spell.from_at as valid_to,
  case
    when identities.type = 'user_id' or identities.user_id is null then 'seen'
    when identities.spell = 1 then 'joined'
    else 'reassigned'
  end as cause,
  identities.former_person_id
from store.identities
left join store.identities as next_spell
  on next_spell.site_id = identities.site_id
  and next_spell.identity_id = identities.identity_id
  and next_spell.spell = identities.spell + 1;

comment on view journey.identities is
  'One row per identity and spell: an anonymous id has one for each user seen with it in turn, a user id exactly one.';
comment on column journey.identities.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.identities.person_id is 'The person the identity belongs to in this spell.';
comment on column journey.identities.identity_id is 'Key of the identity: a hash of type and value.';
comment on column journey.identities.spell is '1 for the first, 2 for the next user of the same browser, and so on.';
comment on column journey.identities.type is 'user_id, anonymous_id, …';
comment on column journey.identities.value is 'The identity as given.';
comment on column journey.identities.first_seen_at is 'First touchpoint of the spell.';
comment on column journey.identities.last_seen_at is 'Latest touchpoint of the spell.';
comment on column journey.identities.valid_from is
  'Since when it belongs to the person. The first spell has the identity''s whole past.';
comment on column journey.identities.valid_to is 'When the next user took over; null while it lasts.';
comment on column journey.identities.cause is
  'seen, joined (first user of an anonymous past) or reassigned (a later user of a shared browser).';
comment on column journey.identities.former_person_id is
  'The person this identity was before a user id was seen with it.';
