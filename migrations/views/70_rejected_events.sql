create view journey.rejected_events as
select
  rejected_events.site_id,
  rejected_events.rejected_id,
  rejected_events.received_at,
  rejected_events.reason,
  rejected_events.detail,
  rejected_events.event,
  rejected_events.ingested_by,
  rejected_events.replayed_at,
  rejected_events.replay_result,
  rejected_events.replay_detail,
  rejected_events.touchpoint_id
from store.rejected_events;

comment on view journey.rejected_events is
  'One row per event that was not stored when it came, with its reason and what became of it when it was replayed.';
comment on column journey.rejected_events.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.rejected_events.rejected_id is 'Key of the row.';
comment on column journey.rejected_events.received_at is 'When it came.';
comment on column journey.rejected_events.reason is 'Why it was refused.';
comment on column journey.rejected_events.detail is 'Where and what was wrong.';
comment on column journey.rejected_events.event is 'The event as received, up to 128 KiB.';
comment on column journey.rejected_events.ingested_by is 'How it came.';
comment on column journey.rejected_events.replayed_at is 'When it was last replayed; null before.';
comment on column journey.rejected_events.replay_result is
  'What the last replay came to: stored, duplicate (it was stored already) or rejected; null before.';
comment on column journey.rejected_events.replay_detail is 'Why the last replay refused it: reason, place and what was wrong.';
comment on column journey.rejected_events.touchpoint_id is 'The touchpoint as which it is stored by now; null while it is not.';
