-- A rejected event can be replayed: what its request said beside it, and what became of the last replay.
alter table store.rejected_events
  add column came text, -- JSON: the envelope and what a batch shared
  add column replayed_at timestamptz,
  add column replay_result text check (replay_result in ('stored', 'duplicate', 'rejected')),
  add column replay_detail text,
  add column touchpoint_id uuid; -- as which it is stored by now
