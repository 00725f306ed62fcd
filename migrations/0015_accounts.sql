-- Accounts: organisations that persons belong to, from a date to a date and in a role.

create table store.accounts (
  site_id integer not null,
  account_id text not null,
  first_seen_at timestamptz not null, -- by whatever named it, members or not
  last_seen_at timestamptz not null,
  -- what was told of it: key → { value, trusted, at, sequence, id }; a value of null stays, so that older ones lose to it
  told jsonb,
  -- of its present members
  member_count bigint not null default 0,
  stage text, -- the furthest that one of them holds
  order_count bigint not null default 0,
  net_revenue numeric not null default 0,
  primary key (site_id, account_id)
) with (fillfactor = 60);
create index accounts_stage on store.accounts (site_id, stage, account_id) where stage is not null;

-- How many present members of an account stand where, kept by differences.
create table store.account_stages (
  site_id integer not null,
  account_id text not null,
  stage text not null,
  members bigint not null,
  primary key (site_id, account_id, stage)
) with (fillfactor = 60);

-- One row per person, account and role, for as long as the person had that role.
create table store.account_members (
  site_id integer not null,
  person_id uuid not null,
  account_id text not null,
  role text,
  joined_at timestamptz not null, -- when the membership began, in whatever role
  from_at timestamptz not null,
  from_sequence bigint not null,
  from_touchpoint_id uuid not null,
  to_at timestamptz, -- null: still
  to_sequence bigint,
  to_touchpoint_id uuid,
  is_left boolean not null default false, -- ended by leaving, not by another role
  -- what the account's row counts of a present member
  counted_stage text,
  counted_orders integer,
  counted_revenue numeric,
  primary key (site_id, person_id, account_id, from_touchpoint_id)
) with (fillfactor = 80);
create index account_members_present on store.account_members (site_id, person_id) where to_at is null;
create index account_members_account on store.account_members (site_id, account_id, person_id, from_touchpoint_id);

create type store.membership as (
  account_id text, role text, joined_at timestamptz, from_at timestamptz, from_sequence bigint, from_touchpoint_id uuid,
  to_at timestamptz, to_sequence bigint, to_touchpoint_id uuid, is_left boolean
);

-- What the fold of memberships carries: those that last, and those that have ended.
create type store.membership_state as (present store.membership[], past store.membership[]);
