create view journey.changes as
select
  changes.site_id,
  changes.cursor,
  changes.type,
  changes.person_id,
  changes.subject_id,
  changes.occurred_at,
  changes.recorded_at,
  changes.origin,
  changes.before,
  changes.after
from store.changes;

comment on view journey.changes is
  'One row per change of something derived: the change feed. Read it on from the last cursor seen, site by site; no row is ever skipped or comes twice.';
comment on column journey.changes.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.changes.cursor is 'Place in the site''s feed: 1, 2, 3 … in the order in which changes became visible; without gaps but for one behind each restore of a backup.';
comment on column journey.changes.type is
  'stage.changed, transition.corrected, person.changed, person.merged, cart.changed, cart.recovered, cart.abandoned, checkout.abandoned, browse.abandoned, order.placed, order.refunded or feedback.received.';
comment on column journey.changes.person_id is 'The person concerned; after a merge the one that stays.';
comment on column journey.changes.subject_id is
  'What changed: the transition, cart, order, touchpoint or person; of a merge the person that is gone.';
comment on column journey.changes.occurred_at is 'When it happened, in the person''s own order of time.';
comment on column journey.changes.recorded_at is 'When it was written.';
comment on column journey.changes.origin is
  'Why: live, late (something arrived out of order), merge, import, model, settings or erasure.';
comment on column journey.changes.before is 'What was so before; null where there was nothing.';
comment on column journey.changes.after is 'What is so now; null where there is nothing any more.';
