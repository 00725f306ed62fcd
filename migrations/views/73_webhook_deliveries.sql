create view journey.webhook_deliveries as
select
  webhook_deliveries.site_id,
  webhook_deliveries.delivery_id,
  webhook_deliveries.webhook_id,
  webhook_deliveries.type,
  webhook_deliveries.person_id,
  webhook_deliveries.trigger_id,
  webhook_deliveries.cursor,
  webhook_deliveries.state,
  webhook_deliveries.reason,
  webhook_deliveries.created_at,
  case when webhook_deliveries.state = 'pending' then webhook_deliveries.next_attempt_at end as next_attempt_at,
  webhook_deliveries.attempt_count,
  latest.started_at as last_attempt_at,
  latest.status as last_status,
  latest.error as last_error,
  webhook_deliveries.delivered_at
from store.webhook_deliveries
left join store.webhook_attempts as latest
  on latest.site_id = webhook_deliveries.site_id
  and latest.delivery_id = webhook_deliveries.delivery_id
  and latest.attempt = webhook_deliveries.attempt_count;

comment on view journey.webhook_deliveries is
  'One row per change and webhook that is told of it, and one per ping: what became of it. A log, kept 30 days.';
comment on column journey.webhook_deliveries.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.webhook_deliveries.delivery_id is
  'Its key, and the webhook-id of every message about it: who gets one twice knows it by this.';
comment on column journey.webhook_deliveries.webhook_id is 'The webhook it is for.';
comment on column journey.webhook_deliveries.type is 'The type of the change; webhook.ping for a ping.';
comment on column journey.webhook_deliveries.person_id is 'The person concerned; null for a ping.';
comment on column journey.webhook_deliveries.trigger_id is 'The trigger it tells of, as in journey.cart_triggers; null for any other change.';
comment on column journey.webhook_deliveries.cursor is 'The change it tells of, as in journey.changes; null for a ping.';
comment on column journey.webhook_deliveries.state is
  'pending, sending, delivered (answered 2xx), failed (given up), voided (its trigger has nothing to say any more), held (the person wants no messages) or cancelled (the webhook was disabled or deleted).';
comment on column journey.webhook_deliveries.reason is
  'Failed: exhausted, gone or not_kept. Voided: as in journey.cart_triggers. Held: consent or opt_out. Cancelled: disabled, gone or deleted.';
comment on column journey.webhook_deliveries.created_at is 'When it was taken from the change feed.';
comment on column journey.webhook_deliveries.next_attempt_at is 'When it is sent next; null unless pending.';
comment on column journey.webhook_deliveries.attempt_count is 'How often it was sent, replays included.';
comment on column journey.webhook_deliveries.last_attempt_at is 'When it was sent last.';
comment on column journey.webhook_deliveries.last_status is 'The HTTP status of the last answer; null where none came.';
comment on column journey.webhook_deliveries.last_error is
  'Why the last attempt got no answer, as timeout, refused or address_not_allowed; unknown where its sender died.';
comment on column journey.webhook_deliveries.delivered_at is 'The first answer of 2xx.';
