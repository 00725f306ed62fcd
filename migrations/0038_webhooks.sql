-- Webhooks: who is told of which changes, what was sent, and what was answered. Settings and logs: never rebuilt.
create table store.webhooks (
  site_id integer not null,
  webhook_id uuid not null,
  url text not null,
  description text not null default '',
  types text[] not null,
  origins text[] not null default array['live', 'late', 'merge'],
  concurrency smallint not null default 5 check (concurrency between 1 and 100),
  is_enabled boolean not null default true,
  disabled_reason text, -- by_hand or gone
  cursor bigint not null, -- how far the site's feed has been turned into deliveries
  failure_count integer not null default 0, -- attempts that failed one after the other
  paused_until timestamptz, -- nothing is sent before
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (site_id, webhook_id)
) with (fillfactor = 50);
comment on table store.webhooks is 'One row per webhook: an address, and which changes it is told of.';

create table store.webhook_secrets (
  site_id integer not null,
  webhook_id uuid not null,
  secret_id uuid not null,
  secret text not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz, -- null: until another takes its place
  primary key (site_id, webhook_id, secret_id)
);
comment on table store.webhook_secrets is 'What messages are signed with; two while a rotation lasts.';

create table store.webhook_deliveries (
  site_id integer not null,
  delivery_id uuid not null, -- the webhook-id of all its attempts
  webhook_id uuid not null,
  cursor bigint, -- the change it tells; null for a ping
  type text not null,
  person_id uuid,
  trigger_id uuid, -- read again before each attempt
  state text not null default 'pending'
    check (state in ('pending', 'sending', 'delivered', 'failed', 'voided', 'held', 'cancelled')),
  reason text,
  created_at timestamptz not null default clock_timestamp(),
  next_attempt_at timestamptz not null default clock_timestamp(),
  lease_until timestamptz, -- of one that is being sent: after that, who sends it is taken to be dead
  attempt_count integer not null default 0,
  attempts_before integer not null default 0, -- those before it was last replayed: the schedule begins anew
  delivered_at timestamptz,
  settled_at timestamptz,
  body text, -- as sent last
  primary key (site_id, delivery_id)
) with (fillfactor = 70);
create index webhook_deliveries_due on store.webhook_deliveries (site_id, webhook_id, next_attempt_at)
  where state = 'pending';
create index webhook_deliveries_sending on store.webhook_deliveries (site_id, webhook_id) where state = 'sending';
create index webhook_deliveries_log on store.webhook_deliveries (site_id, webhook_id, created_at, delivery_id);
create index webhook_deliveries_created_at on store.webhook_deliveries (site_id, created_at);
create index webhook_deliveries_trigger on store.webhook_deliveries (site_id, trigger_id) where trigger_id is not null;
create index webhook_deliveries_person on store.webhook_deliveries (site_id, person_id) where person_id is not null;
comment on table store.webhook_deliveries is 'One row per change and webhook that is told of it. A log: never rebuilt.';

create table store.webhook_attempts (
  site_id integer not null,
  delivery_id uuid not null,
  attempt integer not null,
  started_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  status smallint, -- of the answer
  error text, -- why there was none
  headers jsonb, -- of the answer
  answer text, -- its body, the beginning
  primary key (site_id, delivery_id, attempt)
) with (fillfactor = 70);
comment on table store.webhook_attempts is 'One row per attempt to deliver, with what was answered. A log: never rebuilt.';

alter table store.sites add column deliveries_kept interval not null default interval '720 hours'; -- 30 days
comment on column store.sites.deliveries_kept is 'How long deliveries of webhooks are kept, with what was sent and answered.';
