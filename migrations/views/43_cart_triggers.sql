create view journey.cart_triggers as
select
  cart_triggers.site_id,
  cart_triggers.trigger_id,
  cart_triggers.cart_key,
  cart_triggers.person_id,
  cart_triggers.tier,
  cart_triggers.step,
  cart_triggers.due_at,
  cart_triggers.fired_at,
  cart_triggers.delivered_at,
  cart_triggers.state,
  cart_triggers.reason,
  cart_triggers.last_activity_at,
  cart_triggers.abandoned_at,
  cart_triggers.attempt_count
from store.cart_triggers;

comment on view journey.cart_triggers is
  'One row per trigger, of a cart or of a person who saw a product: what fell due, and what became of it. A log.';
comment on column journey.cart_triggers.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.cart_triggers.trigger_id is 'Its key; consumers may see a trigger twice, never under two ids.';
comment on column journey.cart_triggers.cart_key is 'The cart; null for browse, which is about the person.';
comment on column journey.cart_triggers.person_id is 'Whom it is about.';
comment on column journey.cart_triggers.tier is 'checkout, cart or browse: one tier an episode.';
comment on column journey.cart_triggers.step is 'The first, second … message about the same abandonment.';
comment on column journey.cart_triggers.due_at is 'When it fell or falls due.';
comment on column journey.cart_triggers.fired_at is 'When it fired: once, or never.';
comment on column journey.cart_triggers.delivered_at is
  'First success at an endpoint that is subscribed; where none is, publication in the change feed.';
comment on column journey.cart_triggers.state is 'pending, fired, delivered, suppressed, voided or superseded.';
comment on column journey.cart_triggers.reason is
  'Suppressed: cap, higher_tier, consent, opt_out, stale or superseded. Voided: purchased, returned, emptied, expired, superseded or undeliverable. Superseded: purchased or superseded.';
comment on column journey.cart_triggers.last_activity_at is 'The activity it is for.';
comment on column journey.cart_triggers.abandoned_at is 'The abandonment that its steps are counted from.';
comment on column journey.cart_triggers.attempt_count is 'How often its delivery was tried.';
