-- Orders (SEMANTICS 8): one per site and order id, by whatever ways and however often it was told.

-- What the touchpoints on the workbench say of orders. Rows are keyed by touchpoint, so telling again changes nothing.
create or replace function store.derive_order_touchpoints() returns void
language plpgsql
as $$
begin
  insert into order_touchpoints
  select
    told.site_id, coalesce(told.order_id, told.touchpoint_id::text), told.touchpoint_id, told.kind, told.person_id,
    told.user_id is not null, told.is_trusted, told.occurred_at, told.sequence,
    case when told.in_session then told.identity_id end,
    told.source,
    case when told.kind = 'order' then store.text_of(told.properties -> 'cart_id') end,
    store.currency_of(told.properties -> 'currency'),
    case when told.kind = 'order' then coalesce(
      store.amount_of(told.properties -> 'value'),
      store.amount_of(told.properties -> 'revenue'),
      store.rest_of(store.amount_of(told.properties -> 'total'), coalesce(store.amount_of(told.properties -> 'tax'), 0)
        + coalesce(store.amount_of(told.properties -> 'shipping'), 0)),
      store.items_total(store.items_of(told.properties))
    ) end,
    case when told.kind = 'order' then store.amount_of(told.properties -> 'tax') end,
    case when told.kind = 'order' then store.amount_of(told.properties -> 'shipping') end,
    case when told.kind = 'order' then store.amount_of(told.properties -> 'discount') end,
    case when told.kind = 'refund' then coalesce(store.text_of(told.properties -> 'refund_id'), told.touchpoint_id::text)
      when told.kind = 'cancellation' then told.touchpoint_id::text end,
    case when told.kind = 'refund' then store.amount_of(told.properties -> 'value') end,
    case when told.kind <> 'cancellation' then store.items_of(told.properties) end
  from (
    select
      work_touchpoints.*,
      coalesce(store.text_of(work_touchpoints.properties -> 'transaction_id'), store.text_of(work_touchpoints.properties -> 'order_id')) as order_id,
      case work_touchpoints.name
        when 'refund' then 'refund' when 'order_cancelled' then 'cancellation' else 'order' end as kind
    from work_touchpoints
    where work_touchpoints.name in ('purchase', 'subscription_started', 'refund', 'order_cancelled')
      and work_touchpoints.is_activity
  ) as told
  join work_sites on work_sites.site_id = told.site_id
  where (told.kind = 'order' or told.order_id is not null)
    and (told.kind = 'order' or told.is_trusted or work_sites.is_refund_by_write_key_accepted)
  on conflict (site_id, order_id, touchpoint_id) do update set person_id = excluded.person_id
  where order_touchpoints.person_id <> excluded.person_id;
end
$$;

-- The orders at hand, told of or converted by another rate, with what was known of them before.
create or replace function store.collect_work_orders() returns void
language plpgsql
as $$
begin
  insert into work_orders
  select
    at_hand.site_id, at_hand.order_id, orders.order_id is not null, orders.person_id, orders.session_id, orders.day,
    orders.cart_id, orders.touchpoint_id, orders.first_touchpoint_id, orders.occurred_at, orders.refunded
  from (
    select distinct work_touchpoints.site_id,
      coalesce(store.text_of(work_touchpoints.properties -> 'transaction_id'),
        store.text_of(work_touchpoints.properties -> 'order_id'), work_touchpoints.touchpoint_id::text) as order_id
    from work_touchpoints
    where work_touchpoints.name in ('purchase', 'subscription_started', 'refund', 'order_cancelled')
      and work_touchpoints.is_activity
    union
    select work_conversions.site_id, work_conversions.order_id from work_conversions where work_conversions.order_id is not null
  ) as at_hand
  left join lateral (
    select orders.*
    from orders
    where orders.site_id = at_hand.site_id and orders.order_id = at_hand.order_id
    offset 0
  ) as orders on true
  on conflict do nothing;
end
$$;

-- The definition of orders: fields by trust, then by the order of time, blanks filled from the next; the person that of
-- the most trusted touchpoint with a user id, else of the earliest. Session and channel follow in derive_order_sessions.
create or replace function store.derive_orders() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into orders (
    site_id, order_id, person_id, touchpoint_id, occurred_at, first_sequence, first_touchpoint_id, source, currency, gross,
    tax, shipping, discount, refunded, cart_id, visitor_identity_id, visitor_at, visitor_sequence, visitor_touchpoint_id,
    is_foreign, site_rate, disputed
  )
  with told as (
    select order_touchpoints.*,
      row(order_touchpoints.occurred_at, order_touchpoints.sequence, order_touchpoints.touchpoint_id)::store.order_key as order_key
    from work_orders
    cross join lateral (
      select order_touchpoints.*
      from order_touchpoints
      where order_touchpoints.site_id = work_orders.site_id and order_touchpoints.order_id = work_orders.order_id
      offset 0
    ) as order_touchpoints
    where order_touchpoints.kind = 'order'
  ),

  facts as (
    select
      told.site_id, told.order_id,
      (array_agg(told.person_id order by told.has_user desc, told.has_user and told.is_trusted desc, told.order_key))[1] as person_id,
      (array_agg(told.order_key order by told.order_key))[1] as first_key,
      (array_agg(told.source order by told.order_key))[1] as source,
      (array_agg(told.currency order by told.is_trusted desc, told.order_key) filter (where told.currency is not null))[1] as currency,
      (array_agg(told.gross order by told.is_trusted desc, told.order_key) filter (where told.gross is not null))[1] as gross,
      (array_agg(told.tax order by told.is_trusted desc, told.order_key) filter (where told.tax is not null))[1] as tax,
      (array_agg(told.shipping order by told.is_trusted desc, told.order_key) filter (where told.shipping is not null))[1] as shipping,
      (array_agg(told.discount order by told.is_trusted desc, told.order_key) filter (where told.discount is not null))[1] as discount,
      (array_agg(told.cart_id order by told.is_trusted desc, told.order_key) filter (where told.cart_id is not null))[1] as cart_id,
      (array_agg(told.visitor_identity_id order by told.order_key) filter (where told.visitor_identity_id is not null))[1] as visitor_identity_id,
      (array_agg(told.order_key order by told.order_key) filter (where told.visitor_identity_id is not null))[1] as visitor_key,
      bool_or(told.is_trusted) and not bool_and(told.is_trusted) as is_told_by_both
    from told
    group by told.site_id, told.order_id
  ),

  earliest_of_persons as (
    select told.site_id, told.order_id, told.person_id,
      (array_agg(told.touchpoint_id order by told.order_key))[1] as touchpoint_id
    from told
    group by told.site_id, told.order_id, told.person_id
  )

  select
    facts.site_id, facts.order_id, facts.person_id, earliest_of_persons.touchpoint_id,
    (facts.first_key).at, (facts.first_key).sequence, (facts.first_key).touchpoint_id, facts.source,
    coalesce(facts.currency, work_sites.currency), coalesce(facts.gross, 0), facts.tax, facts.shipping, facts.discount, 0,
    facts.cart_id,
    facts.visitor_identity_id, (facts.visitor_key).at, (facts.visitor_key).sequence, (facts.visitor_key).touchpoint_id,
    coalesce(facts.currency <> work_sites.currency, false),
    case when facts.currency <> work_sites.currency then store.rate_of(
      facts.site_id, ((facts.first_key).at at time zone work_sites.time_zone)::date, facts.currency, work_sites.currency) end,
    case when facts.is_told_by_both then store.disputed_of(facts.site_id, facts.order_id, jsonb_build_object(
      'cart_id', facts.cart_id, 'currency', facts.currency, 'gross', facts.gross, 'tax', facts.tax, 'shipping', facts.shipping,
      'discount', facts.discount)) end
  from facts
  join earliest_of_persons
    on earliest_of_persons.site_id = facts.site_id and earliest_of_persons.order_id = facts.order_id
    and earliest_of_persons.person_id = facts.person_id
  join work_sites on work_sites.site_id = facts.site_id
  on conflict (site_id, order_id) do update set
    person_id = excluded.person_id, touchpoint_id = excluded.touchpoint_id, occurred_at = excluded.occurred_at,
    first_sequence = excluded.first_sequence, first_touchpoint_id = excluded.first_touchpoint_id, source = excluded.source,
    currency = excluded.currency, gross = excluded.gross, tax = excluded.tax, shipping = excluded.shipping,
    discount = excluded.discount, cart_id = excluded.cart_id, visitor_identity_id = excluded.visitor_identity_id,
    visitor_at = excluded.visitor_at, visitor_sequence = excluded.visitor_sequence,
    visitor_touchpoint_id = excluded.visitor_touchpoint_id, is_foreign = excluded.is_foreign, site_rate = excluded.site_rate,
    disputed = excluded.disputed;
end
$$;

-- What touchpoints with a write key say of an order otherwise than the order has it: a list by field, in the order it was
-- said, each once; null when they all agree with it.
create or replace function store.disputed_of(site integer, order_id text, kept jsonb) returns jsonb
language plpgsql stable
as $$
begin
  return (
    select jsonb_object_agg(fields.name, fields.sayings)
    from (
      select sayings.name, jsonb_agg(sayings.saying order by sayings.first_key) as sayings
      from (
        select said.name, said.saying, min(said.order_key) as first_key
        from (
          select told.key as name, told.value as saying,
            row_number() over (
              order by order_touchpoints.occurred_at, order_touchpoints.sequence, order_touchpoints.touchpoint_id
            ) as order_key
          from order_touchpoints
          cross join lateral jsonb_each(jsonb_build_object(
            'cart_id', order_touchpoints.cart_id, 'currency', order_touchpoints.currency, 'gross', order_touchpoints.gross,
            'tax', order_touchpoints.tax, 'shipping', order_touchpoints.shipping, 'discount', order_touchpoints.discount
          )) as told (key, value)
          where order_touchpoints.site_id = disputed_of.site and order_touchpoints.order_id = disputed_of.order_id
            and order_touchpoints.kind = 'order' and not order_touchpoints.is_trusted
        ) as said
        where said.saying <> 'null'::jsonb and said.saying <> disputed_of.kept -> said.name
        group by said.name, said.saying
      ) as sayings
      group by sayings.name
    ) as fields
  );
end
$$;

-- Refunds of the orders at hand: unique by refund id (trusted first, then the earliest copy gives the amount), applied in
-- order, each at most what remains. One that precedes its order waits until the order is known.
create or replace function store.derive_refunds() returns void
language plpgsql
as $$
begin
  -- The days of the refunds as they stood, for the metrics.
  insert into work_days
  select distinct orders.site_id, orders.person_id, (refunds.occurred_at at time zone work_sites.time_zone)::date
  from work_orders
  join orders on orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
  join refunds on refunds.site_id = orders.site_id and refunds.order_id = orders.order_id
  join work_sites on work_sites.site_id = orders.site_id
  on conflict do nothing;

  delete from refunds
  using work_orders
  where refunds.site_id = work_orders.site_id and refunds.order_id = work_orders.order_id;

  insert into refunds
  with told as (
    select
      orders.site_id, orders.order_id, orders.gross, orders.is_foreign, orders.site_rate, order_touchpoints.refund_id,
      order_touchpoints.occurred_at,
      order_touchpoints.sequence, order_touchpoints.touchpoint_id, order_touchpoints.is_trusted,
      case
        when order_touchpoints.kind = 'cancellation' then orders.gross
        when order_touchpoints.amount is not null then order_touchpoints.amount
        when jsonb_array_length(order_touchpoints.items) > 0 then store.refund_of_items(order_touchpoints.items, (
          select bought.items
          from order_touchpoints as bought
          where bought.site_id = orders.site_id and bought.order_id = orders.order_id and bought.kind = 'order'
            and bought.items is not null
          order by bought.is_trusted desc, bought.occurred_at, bought.sequence, bought.touchpoint_id
          limit 1
        ))
        else orders.gross
      end as amount
    from work_orders
    join orders on orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
    join order_touchpoints
      on order_touchpoints.site_id = orders.site_id and order_touchpoints.order_id = orders.order_id
    where order_touchpoints.kind <> 'order'
  ),

  unique_refunds as (
    select
      told.site_id, told.order_id, told.refund_id, max(told.gross) as gross, bool_or(told.is_foreign) as is_foreign,
      max(told.site_rate) as site_rate,
      (array_agg(told.amount order by told.is_trusted desc, told.occurred_at, told.sequence, told.touchpoint_id))[1] as amount,
      (array_agg(row(told.occurred_at, told.sequence, told.touchpoint_id)::store.order_key
        order by told.occurred_at, told.sequence, told.touchpoint_id))[1] as refunded_key
    from told
    group by told.site_id, told.order_id, told.refund_id
  ),

  running as (
    select
      unique_refunds.*,
      sum(unique_refunds.amount) over (
        partition by unique_refunds.site_id, unique_refunds.order_id order by unique_refunds.refunded_key
      ) as total
    from unique_refunds
  )

  -- What a refund comes to in the site's currency is the difference of the sums, so all of them make the whole.
  select
    running.site_id, running.order_id, running.refund_id, (running.refunded_key).at,
    trim_scale(least(running.total, running.gross) - least(running.total - running.amount, running.gross)),
    trim_scale(store.in_site_currency(least(running.total, running.gross), running.is_foreign, running.site_rate)
      - store.in_site_currency(least(running.total - running.amount, running.gross), running.is_foreign, running.site_rate))
  from running;

  update orders
  set refunded = sums.refunded
  from (
    select work_orders.site_id, work_orders.order_id, trim_scale(coalesce(sum(refunds.amount), 0)) as refunded
    from work_orders
    left join refunds on refunds.site_id = work_orders.site_id and refunds.order_id = work_orders.order_id
    group by work_orders.site_id, work_orders.order_id
  ) as sums
  where orders.site_id = sums.site_id and orders.order_id = sums.order_id and orders.refunded <> sums.refunded;
end
$$;

-- What is left of an amount; null when it is not given, or less than what is taken.
create or replace function store.rest_of(amount numeric, taken numeric) returns numeric
language sql immutable parallel safe
return case when amount >= taken then trim_scale(amount - taken) end;

-- What a refund by lines gives back; a line without a price has the order's.
create or replace function store.refund_of_items(refunded jsonb, bought jsonb) returns numeric
language sql immutable parallel safe
return (
  select trim_scale(sum(
    coalesce(
      store.amount_of(lines.item -> 'price'),
      (
        select store.amount_of(bought_lines.item -> 'price')
        from jsonb_array_elements(coalesce(bought, '[]'::jsonb)) with ordinality as bought_lines (item, position)
        where store.item_key(bought_lines.item) = store.item_key(lines.item)
        order by bought_lines.position
        limit 1
      ),
      0
    ) * coalesce(store.amount_of(lines.item -> 'quantity'), 1)
  ))
  from jsonb_array_elements(refunded) as lines (item)
);

-- Who else is touched by orders that are new or have moved: whoever lost or got one, and whoever holds its cart.
create or replace function store.mark_by_orders() returns void
language plpgsql
as $$
declare
  moved_sites integer[];
  moved_persons uuid[];
  moved_instants timestamptz[];
begin
  with moved as (
    select work_orders.site_id, work_orders.person_id as old_person_id, orders.person_id,
      work_orders.cart_id as old_cart_id, orders.cart_id, least(work_orders.occurred_at, orders.occurred_at) as from_at
    from work_orders
    join orders on orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
    where work_orders.is_known
      and (work_orders.person_id, work_orders.touchpoint_id, work_orders.first_touchpoint_id, work_orders.cart_id)
        is distinct from (orders.person_id, orders.touchpoint_id, orders.first_touchpoint_id, orders.cart_id)
  ),

  touched as (
    select moved.site_id, moved.old_person_id as person_id, moved.from_at from moved
    union select moved.site_id, moved.person_id, moved.from_at from moved
    union
    select moved.site_id, cart_holders.person_id, moved.from_at
    from moved
    join cart_holders
      on cart_holders.site_id = moved.site_id and cart_holders.cart_id in (moved.old_cart_id, moved.cart_id)
  )

  select array_agg(touched.site_id), array_agg(touched.person_id), array_agg(touched.from_at)
  into moved_sites, moved_persons, moved_instants
  from touched;
  if moved_sites is not null then
    perform store.mark_replayed(moved_sites, moved_persons, moved_instants);
  end if;

  -- Of new orders: those that come after all that is known of a person merely go on with it.
  select array_agg(touched.site_id), array_agg(touched.person_id), array_agg(late.at)
  into moved_sites, moved_persons, moved_instants
  from (
    select orders.site_id, orders.person_id, orders.occurred_at, orders.first_sequence, orders.first_touchpoint_id
    from work_orders
    join orders on orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
    where not work_orders.is_known
    union
    select orders.site_id, cart_holders.person_id, orders.occurred_at, orders.first_sequence, orders.first_touchpoint_id
    from work_orders
    join orders on orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
    join cart_holders on cart_holders.site_id = orders.site_id and cart_holders.cart_id = orders.cart_id
    where not work_orders.is_known
  ) as touched
  left join persons on persons.site_id = touched.site_id and persons.person_id = touched.person_id
  cross join lateral (
    select case when store.is_late(
      persons.last_seen_at, persons.last_sequence, persons.last_touchpoint_id, persons.last_timer_at,
      touched.occurred_at, touched.first_sequence, touched.first_touchpoint_id) then touched.occurred_at end as at
  ) as late;
  if moved_sites is not null then
    perform store.mark_at_hand(moved_sites, moved_persons, moved_instants);
  end if;
end
$$;

-- Whether something at this place in time comes before what the person's rows already say.
create or replace function store.is_late(
  last_seen_at timestamptz, last_sequence bigint, last_touchpoint_id uuid, last_timer_at timestamptz,
  at timestamptz, sequence bigint, touchpoint_id uuid
) returns boolean
language sql immutable parallel safe
return coalesce((last_seen_at, last_sequence, last_touchpoint_id) > (at, sequence, touchpoint_id), false)
  or coalesce(last_timer_at > at, false);

-- The session an order belongs to: that of its earliest browser touchpoint, else the person's last session begun within
-- 24 h before, else none, and the row of its offline channel. store.belonging_session says the same of one touchpoint, at
-- three times the cost.
create or replace function store.derive_order_sessions() returns void
language plpgsql
as $$
begin
  update orders
  set session_id = placed.session_id, day = placed.day, channel = placed.channel, utm_source = placed.source,
    campaign = placed.campaign, device = placed.device
  from (
    select
      orders.site_id, orders.order_id,
      case when retained.order_id is not null then retained.session_id else belonging.session_id end as session_id,
      case when retained.order_id is not null then retained.day
      else (coalesce(belonging.started_at, orders.occurred_at) at time zone work_sites.time_zone)::date end as day,
      case when retained.order_id is not null then retained.channel
      when belonging.session_id is not null then belonging.channel
      else coalesce(store.offline_channel_of(orders.source), 'Unassigned') end as channel,
      case when retained.order_id is not null then retained.utm_source else belonging.source end as source,
      case when retained.order_id is not null then retained.campaign else belonging.campaign end as campaign,
      case when retained.order_id is not null then retained.device
      when belonging.session_id is null then 'none' else belonging.device end as device
    from work_orders
    join orders on orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
    join work_sites on work_sites.site_id = orders.site_id
    left join lateral (
      select happened.*
      from (
        (
          select sessions.session_id, sessions.started_at, sessions.channel, sessions.source, sessions.campaign, sessions.device, 1 as choice
          from sessions
          where sessions.site_id = orders.site_id and sessions.identity_id = orders.visitor_identity_id
            and (sessions.started_at, sessions.started_sequence, sessions.session_id)
              <= (orders.visitor_at, orders.visitor_sequence, orders.visitor_touchpoint_id)
          order by sessions.started_at desc, sessions.started_sequence desc, sessions.session_id desc
          limit 1
        )
        union all
        (
          select sessions.session_id, sessions.started_at, sessions.channel, sessions.source, sessions.campaign, sessions.device, 2
          from sessions
          where sessions.site_id = orders.site_id and sessions.person_id = orders.person_id
            and orders.visitor_identity_id is null
            and (sessions.started_at, sessions.started_sequence, sessions.session_id)
              < (orders.occurred_at, orders.first_sequence, orders.first_touchpoint_id)
            and sessions.started_at > orders.occurred_at - interval '24 hours'
          order by sessions.started_at desc, sessions.started_sequence desc, sessions.session_id desc
          limit 1
        )
      ) as happened
      order by happened.choice
      limit 1
    ) as belonging on true
    -- of an order before the cut its session is gone
    left join lateral (
      select retained_orders.*
      from store.retained_orders
      where coalesce(orders.visitor_at, orders.occurred_at) < work_sites.retained_from
        and retained_orders.site_id = orders.site_id and retained_orders.order_id = orders.order_id
      offset 0
    ) as retained on true
  ) as placed
  where orders.site_id = placed.site_id and orders.order_id = placed.order_id
    and (orders.session_id, orders.day, orders.channel, orders.utm_source, orders.campaign, orders.device)
      is distinct from (placed.session_id, placed.day, placed.channel, placed.source, placed.campaign, placed.device);

  -- Days whose metrics these orders change: theirs before and now, their refunds', and those of the sessions they made
  -- converting, which may be another person's.
  insert into work_days
  select days.site_id, days.person_id, days.day
  from (
    select work_orders.site_id, work_orders.person_id, work_orders.day from work_orders where work_orders.is_known
    union
    select orders.site_id, orders.person_id, orders.day
    from work_orders
    join orders on orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
    union
    select orders.site_id, orders.person_id, (refunds.occurred_at at time zone work_sites.time_zone)::date
    from work_orders
    join orders on orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
    join refunds on refunds.site_id = orders.site_id and refunds.order_id = orders.order_id
    join work_sites on work_sites.site_id = orders.site_id
    union
    select sessions.site_id, sessions.person_id, (sessions.started_at at time zone work_sites.time_zone)::date
    from work_orders
    left join orders on orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
    join sessions
      on sessions.site_id = work_orders.site_id and sessions.session_id in (work_orders.session_id, orders.session_id)
    join work_sites on work_sites.site_id = sessions.site_id
  ) as days
  where days.person_id is not null and days.day is not null
  on conflict do nothing;
end
$$;
