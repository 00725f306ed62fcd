create view journey.accounts as
select
  accounts.site_id,
  accounts.account_id,
  accounts.stage,
  accounts.member_count,
  coalesce((
    select jsonb_object_agg(account_stages.stage, account_stages.members)
    from store.account_stages
    where account_stages.site_id = accounts.site_id and account_stages.account_id = accounts.account_id
  ), '{}'::jsonb) as members_by_stage,
  store.traits_told(accounts.told) as traits,
  accounts.first_seen_at,
  accounts.last_seen_at,
  accounts.order_count,
  accounts.net_revenue,
  sites.currency
from store.accounts
join store.sites on sites.site_id = accounts.site_id;

comment on view journey.accounts is
  'One row per account: an organisation that persons belong to, or that a touchpoint has named.';
comment on column journey.accounts.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.accounts.account_id is 'The site''s own id of the account.';
comment on column journey.accounts.stage is
  'The furthest stage that a present member holds now; null while no member has a stage.';
comment on column journey.accounts.member_count is 'Present members.';
comment on column journey.accounts.members_by_stage is 'Present members by the stage they hold now.';
comment on column journey.accounts.traits is
  'Per key the latest value of the group calls, those by secret key before those by write key.';
comment on column journey.accounts.first_seen_at is 'First touchpoint that named the account.';
comment on column journey.accounts.last_seen_at is 'Latest touchpoint that named the account.';
comment on column journey.accounts.order_count is 'Orders of the present members, refunded or not, whenever placed.';
comment on column journey.accounts.net_revenue is
  'Gross less refunds of those orders, in the site''s currency.';
comment on column journey.accounts.currency is 'The site''s currency.';
