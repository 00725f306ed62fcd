-- Identities beside anonymous and user id, and every other way that persons come to be one (SEMANTICS 3).

-- Sightings of typed identities (an e-mail hash, a loyalty card) beside the identity that leads the touchpoint.
create table store.identity_sightings (
  site_id integer not null,
  identity_id uuid not null,
  touchpoint_id uuid not null,
  type text not null,
  value text not null,
  user_id text, -- the touchpoint's own
  occurred_at timestamptz not null,
  sequence bigint not null,
  primary key (site_id, identity_id, touchpoint_id)
);
comment on table store.identity_sightings is
  'One row per touchpoint and typed identity that it carries and is not led by. Of trusted touchpoints only.';

-- Pairs of identities that were seen together: the log of what joins persons, and of what was not let.
create table store.identity_links (
  site_id integer not null,
  identity_id uuid not null,
  other_id uuid not null,
  kind text not null check (kind in ('join', 'share', 'alias')),
  cause text not null,
  type text not null,
  value text not null,
  other_type text not null,
  other_value text not null,
  at timestamptz not null, -- the first sighting; infinity for a pair that was only ever named by hand
  sequence bigint not null,
  touchpoint_id uuid not null,
  state text not null check (state in ('accepted', 'refused')),
  reason text,
  correction text check (correction in ('merge', 'sever')),
  corrected_at timestamptz,
  primary key (site_id, identity_id, other_id)
);
create index identity_links_other on store.identity_links (site_id, other_id, state);
create index identity_links_refused on store.identity_links (site_id, identity_id) where kind = 'join' and state = 'refused';
create index identity_links_told on store.identity_links (site_id, identity_id)
  where kind = 'join' and (cause = 'alias' or correction = 'merge');
create index identity_links_shared on store.identity_links (site_id, identity_id) where kind = 'share';
create index identity_links_shared_other on store.identity_links (site_id, other_id) where kind = 'share';
create index identity_links_alias on store.identity_links (site_id, identity_id) where kind = 'alias';
create index identity_links_alias_other on store.identity_links (site_id, other_id) where kind = 'alias';
comment on table store.identity_links is
  'One row per pair of identities seen together: a user id and another (join), two others (share), two user ids (alias).';

-- Whose an identity is that has no user of its own, and which user id another was merged into.
create table store.identity_assignments (
  site_id integer not null,
  identity_id uuid not null,
  anchor_type text not null,
  anchor_value text not null,
  primary key (site_id, identity_id)
);
comment on table store.identity_assignments is
  'One row per identity whose person is anchored at another than itself or the users seen with it.';

-- What somebody said by hand: an input.
create table store.identity_corrections (
  site_id integer not null,
  identity_id uuid not null,
  other_id uuid not null,
  kind text not null check (kind in ('join', 'share', 'alias')),
  type text not null,
  value text not null,
  other_type text not null,
  other_value text not null,
  correction text not null check (correction in ('merge', 'sever')),
  author text not null,
  note text,
  corrected_at timestamptz not null default now(),
  primary key (site_id, identity_id, other_id)
);
comment on table store.identity_corrections is
  'One row per pair of identities that somebody merged or severed by hand, the latest word alone.';

alter table store.identities
  add column is_refused boolean not null default false,
  add column base_user_id text;
comment on column store.identities.is_refused is
  'The link to the user was refused: only touchpoints that carry the user id itself are of this spell.';
comment on column store.identities.base_user_id is 'Whose touchpoints without a user id are after a refused spell.';

alter table store.sites
  add column identity_limit integer not null default 5 check (identity_limit > 0),
  add column identity_limits jsonb not null default '{}' check (jsonb_typeof(identity_limits) = 'object'),
  add column identity_set_limit integer not null default 1000 check (identity_set_limit > 0);
comment on column store.sites.identity_limit is 'How many identities of one type other than user_id a person may have.';
comment on column store.sites.identity_limits is 'The same for single types: {"loyalty_card": 2}.';
