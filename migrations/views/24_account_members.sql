create view journey.account_members as
select
  account_members.site_id,
  account_members.account_id,
  account_members.person_id,
  persons.user_id,
  account_members.role,
  persons.stage,
  model_machines.stages[persons.furthest] as furthest_stage,
  account_members.joined_at as valid_from,
  account_members.to_at as valid_to,
  persons.order_count,
  persons.net_revenue,
  account_members.from_touchpoint_id as membership_id
from store.account_members
join store.persons
  on persons.site_id = account_members.site_id and persons.person_id = account_members.person_id
join store.sites on sites.site_id = account_members.site_id
join store.model_machines
  on model_machines.model_name = sites.model_name and model_machines.version = sites.model_version
where account_members.to_at is null or account_members.is_left;

comment on view journey.account_members is
  'One row per membership of a person in an account. Who left and came back has one row for each time.';
comment on column journey.account_members.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.account_members.account_id is 'The account.';
comment on column journey.account_members.person_id is 'The member.';
comment on column journey.account_members.user_id is 'The user id that anchors the person; null while anonymous.';
comment on column journey.account_members.role is
  'The role in the account, the last one told; null where none was.';
comment on column journey.account_members.stage is 'The stage the person holds now; null without any signal.';
comment on column journey.account_members.furthest_stage is 'The furthest stage ever of the person.';
comment on column journey.account_members.valid_from is 'When the membership began.';
comment on column journey.account_members.valid_to is 'When it ended; null for a present member.';
comment on column journey.account_members.order_count is 'Orders of the person, refunded or not.';
comment on column journey.account_members.net_revenue is
  'Gross less refunds of the person, in the site''s currency.';
comment on column journey.account_members.membership_id is
  'The touchpoint that began the membership, or its present role.';
