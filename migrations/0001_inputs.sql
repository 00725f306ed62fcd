-- Inputs: what was said to Milepost, kept as it was said. Everything else can be dropped and derived again.
-- Written to Citus' rules as well: every key of a per-site table starts with site_id, no triggers, no foreign
-- key from the partitioned table.

create schema store;

comment on schema store is 'Private tables and functions of Milepost. Read the views of schema journey instead.';

create table store.sites (
  site_id integer primary key,
  name text not null,
  created_at timestamptz not null default now(),
  -- 32 random bytes; person ids are keyed by it, so they cannot be guessed from an e-mail address or a user id
  person_secret bytea not null check (length(person_secret) = 32),
  time_zone text not null default 'UTC',
  currency text not null default 'EUR' check (currency ~ '^[A-Z]{3}$'),
  -- origins whose pages may send touchpoints ('https://shop.example'); '*' alone allows every origin
  allowed_origins text[] not null default '{}',
  own_hosts text[] not null default '{}',
  consent_required boolean not null default false,
  session_gap interval not null default '30 minutes',
  session_limit interval not null default '24 hours',
  is_session_split_by_campaign boolean not null default true,
  engaged_after interval not null default '10 seconds',
  cart_delay interval not null default '60 minutes',
  checkout_delay interval not null default '30 minutes',
  cart_expiry interval not null default '720 hours',
  self_recovery_window interval not null default '720 hours',
  lapsed_after interval not null default '4320 hours',
  is_refund_by_write_key_accepted boolean not null default false,
  oldest_live_touchpoint interval not null default '13 months',
  model_name text not null default 'ecommerce',
  model_version integer not null default 1
);
comment on table store.sites is 'One row per site: a tenant with its own keys, settings and journey model.';

create table store.keys (
  site_id integer not null,
  key_id uuid not null,
  kind text not null check (kind in ('write', 'secret')),
  -- a secret key is known by its SHA-256 alone; a write key is public, so `text` keeps it too
  key_hash bytea not null,
  text text,
  hint text not null, -- the first characters, to recognise it in a list
  scopes text[] not null default '{}',
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  primary key (site_id, key_id)
);
create unique index keys_key_hash on store.keys (key_hash);
comment on table store.keys is 'One row per key of a site. Revoked keys stay, so that the list explains old traffic.';

-- The partition key is the id itself (UUID v7 and v8 begin with 48 bits of milliseconds), so the primary key is
-- truly unique by site and id: a resend with another time cannot slip in. `identity_id` is the touchpoint's lead
-- identity: its anonymous id, else its user id, else its first typed identity (see store.identity_id).
create table store.touchpoints (
  site_id integer not null,
  touchpoint_id uuid not null,
  identity_id uuid not null,
  occurred_at timestamptz not null,
  sequence bigint not null default 0,
  received_at timestamptz not null,
  sent_at timestamptz,
  client_time timestamptz,
  name text not null,
  type text not null,
  source text not null,
  ingested_by text not null,
  is_trusted boolean not null,
  anonymous_id text,
  user_id text,
  account_id text,
  identities jsonb,
  properties jsonb,
  traits jsonb,
  context jsonb,
  given_id text,
  bot_reason text,
  internal_reason text,
  flags text[],
  batch_id bigint not null,
  primary key (site_id, touchpoint_id)
) partition by range (touchpoint_id);
create index touchpoints_identity on store.touchpoints (site_id, identity_id, occurred_at);
create table store.touchpoints_default partition of store.touchpoints default;
comment on table store.touchpoints is 'One row per touchpoint, never updated. Partitioned by month of the id.';
comment on column store.touchpoints.is_trusted is 'Sent with a secret key or imported by an operator.';
comment on column store.touchpoints.batch_id is
  'The batch it was stored with. While that batch stands in store.batches, the touchpoint is not yet derived.';
comment on column store.touchpoints.given_id is 'The client''s own id, where it was not a UUID v7 and so was mapped.';
comment on column store.touchpoints.client_time is 'The time as the client said it, before the skew rule.';

create table store.rejected_events (
  site_id integer not null,
  rejected_id uuid not null,
  received_at timestamptz not null,
  reason text not null,
  detail text,
  event text, -- the event as received, up to 128 KiB
  ingested_by text not null,
  primary key (site_id, rejected_id)
);
create index rejected_events_received_at on store.rejected_events (site_id, received_at);
comment on table store.rejected_events is 'One row per event that was not stored, with its reason.';

create table store.counters (
  site_id integer not null,
  day date not null,
  name text not null,
  value bigint not null,
  primary key (site_id, day, name)
);
comment on table store.counters is
  'What was counted rather than stored, by site, UTC day and name: duplicate, consent_denied, lost by the SDK …';

-- Batches hand what was stored to derive: a row per writer commit and site, so the queue costs next to nothing a touchpoint.
create table store.batches (
  site_id integer not null,
  batch_id bigint generated by default as identity,
  lane smallint not null,
  origin text not null check (origin in ('live', 'import')),
  stored_at timestamptz not null default clock_timestamp(),
  touchpoint_ids uuid[] not null,
  primary key (site_id, batch_id)
);
comment on table store.batches is
  'Touchpoints stored and not yet derived: their ids, one row per commit of a writer and site.';

-- Rows are appended in about the order received, so a few bytes per 128 pages find the newest ones.
create index touchpoints_received_at on store.touchpoints
  using brin (received_at) with (pages_per_range = 128, autosummarize = on);

create table store.imports (
  site_id integer not null,
  file_hash bytea not null, -- SHA-256 of the file as it lies on disk and of the mapping
  file_name text not null,
  lines_done bigint not null default 0,
  stored bigint not null default 0,
  duplicates bigint not null default 0,
  rejected bigint not null default 0,
  started_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  finished_at timestamptz,
  primary key (site_id, file_hash)
);
comment on table store.imports is
  'One row per imported file and mapping: how far it got, so that an interrupted import goes on.';

create table store.sign_ins (
  token_hash bytea primary key check (length(token_hash) = 32), -- SHA-256 of the token; the token itself is kept nowhere
  kind text not null check (kind in ('link', 'browser')),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
comment on table store.sign_ins is
  'One row per sign-in link and per signed-in browser of an operator, by the hash of its token.';
