-- What the folds of derivation are given, and what they give: lists of these, of one person or visitor each, in order.

-- An override has its stage for a signal, below 0, and says until when it holds.
create type store.stage_signal as (
  at timestamptz, signal smallint, rule text, touchpoint_id uuid, held_until timestamptz
);

create type store.session_touch as (
  touchpoint_id uuid, person_id uuid, at timestamptz, sequence bigint, is_page_view boolean, engaged_milliseconds bigint,
  path text, campaign jsonb
);

create type store.session_run as (
  session_id uuid, person_id uuid, started_at timestamptz, started_sequence bigint, ended_at timestamptz,
  engaged_milliseconds bigint, page_view_count integer, touchpoint_count integer, entry_page text, exit_page text,
  last_campaign text, campaign jsonb
);

-- A cart touchpoint, an order (kind `order`), or time alone (kind `clock`).
create type store.cart_happening as (
  kind text, at timestamptz, sequence bigint, touchpoint_id uuid, cart_id text, properties jsonb, order_id text,
  is_cart_known boolean
);
