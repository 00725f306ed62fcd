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
    when identities.type = 'user_id' then case
      when identities.former_person_id is null then 'seen'
      when is_named_by_hand.told then 'manual'
      else 'alias'
    end
    when identities.user_id is null then case
      when assignments.identity_id is null then 'seen'
      when is_named_by_hand.told then 'manual'
      else 'shared_identity'
    end
    when identities.is_refused then 'refused'
    when identities.spell > 1 then 'reassigned'
    else coalesce(links.cause, 'joined')
  end as cause,
  identities.former_person_id
from store.identities
left join store.identities as next_spell
  on next_spell.site_id = identities.site_id
  and next_spell.identity_id = identities.identity_id
  and next_spell.spell = identities.spell + 1
left join lateral (
  select case when identity_links.correction = 'merge' then 'manual' else identity_links.cause end as cause
  from store.identity_links
  where identities.spell = 1 and identities.type <> 'user_id' and identities.user_id is not null
    and identity_links.site_id = identities.site_id
    and identity_links.identity_id = identities.identity_id
    and identity_links.other_id = store.identity_id('user_id', identities.user_id)
  offset 0
) as links on true
left join store.identity_assignments as assignments
  on assignments.site_id = identities.site_id and assignments.identity_id = identities.identity_id
  and identities.user_id is null
left join lateral (
  select exists (
    select from store.identity_links
    where identity_links.site_id = identities.site_id and identity_links.identity_id = identities.identity_id
      and identity_links.kind = case identities.type when 'user_id' then 'alias' else 'share' end
      and identity_links.correction = 'merge' and identity_links.state = 'accepted'
    union all
    select from store.identity_links
    where identities.type <> 'user_id'
      and identity_links.site_id = identities.site_id and identity_links.other_id = identities.identity_id
      and identity_links.kind = 'share'
      and identity_links.correction = 'merge' and identity_links.state = 'accepted'
  ) as told
  where assignments.identity_id is not null or (identities.type = 'user_id' and identities.former_person_id is not null)
  offset 0
) as is_named_by_hand on true;

comment on view journey.identities is
  'One row per identity and spell: a user id has exactly one, any other one for each user seen with it in turn.';
comment on column journey.identities.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.identities.person_id is 'The person the identity belongs to in this spell.';
comment on column journey.identities.identity_id is 'Key of the identity: a hash of type and value.';
comment on column journey.identities.spell is '1 for the first, 2 for the next user of the same browser, and so on.';
comment on column journey.identities.type is 'user_id, anonymous_id, email_sha256, phone_sha256, or a type of the site''s own.';
comment on column journey.identities.value is 'The identity as given.';
comment on column journey.identities.first_seen_at is 'First touchpoint of the spell.';
comment on column journey.identities.last_seen_at is 'Latest touchpoint of the spell.';
comment on column journey.identities.valid_from is
  'Since when it belongs to the person. The first spell has the identity''s whole past.';
comment on column journey.identities.valid_to is 'When the next user took over; null while it lasts.';
comment on column journey.identities.cause is
  'Why it belongs to the person: seen (by itself), joined (its first user), reassigned (a later user of a shared browser), shared_identity (seen with identities of the person), alias, manual (merged by hand); refused where only what carries the user id does.';
comment on column journey.identities.former_person_id is
  'The person this identity was, or would have been, by itself.';

create view journey.identity_links as
select
  identity_links.site_id,
  identity_links.kind,
  identity_links.type,
  identity_links.value,
  identity_links.other_type,
  identity_links.other_value,
  case when identity_links.correction = 'merge' then 'manual' else identity_links.cause end as cause,
  identity_links.state,
  identity_links.reason,
  case when identity_links.at < 'infinity' then identity_links.at end as first_seen_at,
  case when identity_links.at < 'infinity' then identity_links.touchpoint_id end as touchpoint_id,
  identity_links.corrected_at
from store.identity_links;

comment on view journey.identity_links is
  'One row per pair of identities seen together or named by hand: what joins persons, and what was refused.';
comment on column journey.identity_links.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.identity_links.kind is
  'join (a user id and another identity), share (two identities without a user id) or alias (two user ids).';
comment on column journey.identity_links.type is 'Type of the one identity; of an alias the user id that is merged.';
comment on column journey.identity_links.value is 'The one identity.';
comment on column journey.identity_links.other_type is 'Type of the other identity.';
comment on column journey.identity_links.other_value is 'The other identity; of an alias the user id merged into.';
comment on column journey.identity_links.cause is 'joined, shared_identity, alias or manual.';
comment on column journey.identity_links.state is 'accepted or refused.';
comment on column journey.identity_links.reason is 'Why it was refused: limit, or severed (by hand).';
comment on column journey.identity_links.first_seen_at is 'When they were first seen together; null if only named by hand.';
comment on column journey.identity_links.touchpoint_id is 'The touchpoint of that.';
comment on column journey.identity_links.corrected_at is 'When somebody last merged or severed the two by hand.';
