-- What happenings do to a person's carts (SEMANTICS 7): the fold that 34_carts.sql runs.

-- The step of the checkout that an event stands for; null for events that are none of a cart.
create or replace function store.cart_step_of(event_name text) returns smallint
language sql immutable parallel safe
return case event_name
  when 'add_to_cart' then 1 when 'remove_from_cart' then 1 when 'view_cart' then 1 when 'cart_updated' then 1
  when 'begin_checkout' then 2 when 'add_shipping_info' then 3 when 'add_payment_info' then 4
end;

-- Whether an event opens a cart when none is open: view_cart and cart_updated only if they carry lines.
create or replace function store.opens_cart(event_name text, items jsonb) returns boolean
language sql immutable parallel safe
return event_name in ('add_to_cart', 'begin_checkout')
  or (event_name in ('view_cart', 'cart_updated') and coalesce(jsonb_array_length(items) > 0, false));

-- Lines after an event: add_to_cart adds, remove_from_cart takes away, never below 0, any other list replaces.
create or replace function store.lines_after(lines jsonb, event_name text, items jsonb, currency text) returns jsonb
language plpgsql immutable
as $$
declare
  result jsonb := case when event_name in ('add_to_cart', 'remove_from_cart') then lines else '{}'::jsonb end;
  item jsonb;
  key text;
  old jsonb;
  quantity numeric;
begin
  for position in 0 .. jsonb_array_length(items) - 1 loop
    item := items -> position;
    key := store.item_key(item);
    continue when key is null;
    old := result -> key;
    quantity := coalesce(store.amount_of(item -> 'quantity'), 1);
    if event_name = 'remove_from_cart' then
      continue when old is null;
      quantity := (old ->> 'quantity')::numeric - quantity;
    else
      quantity := coalesce((old ->> 'quantity')::numeric, 0) + quantity;
    end if;
    if quantity <= 0 then
      result := result - key;
    elsif event_name = 'remove_from_cart' then
      result := jsonb_set(result, array[key, 'quantity'], to_jsonb(quantity));
    else
      result := result || jsonb_build_object(key, jsonb_strip_nulls(jsonb_build_object(
        'item_id', coalesce(store.text_of(item -> 'item_id'), store.text_of(item -> 'product_id'), store.text_of(item -> 'sku')),
        'item_name', coalesce(store.text_of(item -> 'item_name'), store.text_of(item -> 'name'), old ->> 'item_name'),
        'item_variant', coalesce(store.text_of(item -> 'item_variant'), store.text_of(item -> 'variant')),
        'quantity', quantity,
        'price', coalesce(store.amount_of(item -> 'price'), (old ->> 'price')::numeric),
        'currency', currency
      )));
    end if;
  end loop;
  return result;
end
$$;

create or replace function store.cart_lines_count(lines jsonb) returns numeric
language sql immutable parallel safe
return (select trim_scale(coalesce(sum((entries.line ->> 'quantity')::numeric), 0)) from jsonb_each(lines) as entries (key, line));

-- Σ quantity × price where all lines are in the cart's currency; null where one is in another (store.mixed_lines_value).
create or replace function store.cart_lines_value(lines jsonb, currency text) returns numeric
language sql immutable parallel safe
return (
  select case when bool_or(coalesce(entries.line ->> 'currency', cart_lines_value.currency) <> cart_lines_value.currency) then null
    else trim_scale(coalesce(sum((entries.line ->> 'quantity')::numeric * coalesce((entries.line ->> 'price')::numeric, 0)), 0)) end
  from jsonb_each(lines) as entries (key, line)
);

-- Lets the timers of a cart fire that are due at or before an instant: abandonment, then expiry.
create or replace function store.cart_at(cart store.cart_state, at timestamptz, cart_delay interval, checkout_delay interval, cart_expiry interval)
returns store.cart_state
language plpgsql immutable
as $$
declare
  due timestamptz;
begin
  if cart.state = 'open' and cart.lines <> '{}'::jsonb then
    due := cart.last_activity_at + case when cart.furthest_step >= 2 then checkout_delay else cart_delay end;
    if due <= at then
      cart.state := 'abandoned';
      cart.abandoned_at := due;
      cart.first_abandoned_at := coalesce(cart.first_abandoned_at, due);
      cart.abandonment_count := cart.abandonment_count + 1;
    end if;
  end if;
  if cart.state = 'abandoned' and cart.abandoned_at + cart_expiry <= at then
    cart.state := 'expired';
    cart.closed_at := cart.abandoned_at + cart_expiry;
  end if;
  return cart;
end
$$;

-- The next instant at which a timer of this cart falls due, null when it has none.
create or replace function store.cart_due_at(cart store.cart_state, cart_delay interval, checkout_delay interval, cart_expiry interval)
returns timestamptz
language sql immutable
return case
  when (cart).state = 'open' and (cart).lines <> '{}'::jsonb
    then (cart).last_activity_at + case when (cart).furthest_step >= 2 then checkout_delay else cart_delay end
  when (cart).state = 'abandoned' then (cart).abandoned_at + cart_expiry
end;

-- The fold: a person's carts after what happened to them, in order, who had those of `seed` (null: none) before.
create or replace function store.carts_after(
  seed store.cart_state[], happenings store.cart_happening[],
  cart_delay interval, checkout_delay interval, cart_expiry interval, self_recovery_window interval, site_currency text
) returns store.cart_state[]
language plpgsql immutable
as $$
declare
  current store.cart_state[] := coalesce(seed, '{}');
  happening store.cart_happening;
  cart store.cart_state;
  items jsonb;
  currency text;
  found integer;
  latest store.order_key;
begin
  foreach happening in array happenings loop
    for position in 1 .. cardinality(current) loop
      if (current[position]).state in ('open', 'abandoned') then
        current[position] := store.cart_at(current[position], happening.at, cart_delay, checkout_delay, cart_expiry);
      end if;
    end loop;
    continue when happening.kind = 'clock';
    found := null;

    if happening.kind = 'order' then
      latest := null;
      for position in 1 .. cardinality(current) loop
        cart := current[position];
        continue when cart.state not in ('open', 'abandoned');
        if happening.is_cart_known then
          continue when cart.cart_id is distinct from happening.cart_id;
          current[position] := store.cart_bought(cart, happening.at, happening.order_id, self_recovery_window);
        elsif latest is null or latest < row(cart.last_activity_at, cart.last_sequence, cart.last_touchpoint_id)::store.order_key then
          latest := row(cart.last_activity_at, cart.last_sequence, cart.last_touchpoint_id)::store.order_key;
          found := position;
        end if;
      end loop;
      if found is not null then
        current[found] := store.cart_bought(current[found], happening.at, happening.order_id, self_recovery_window);
      end if;
      continue;
    end if;

    items := store.items_of(happening.properties);
    currency := store.currency_of(happening.properties -> 'currency');
    for position in 1 .. cardinality(current) loop
      if (current[position]).state in ('open', 'abandoned') and (current[position]).cart_id is not distinct from happening.cart_id then
        found := position;
      end if;
    end loop;
    if found is null then
      continue when not store.opens_cart(happening.kind, items);
      cart := row(happening.touchpoint_id, happening.cart_id, 'open', happening.at, happening.at, happening.sequence,
        happening.touchpoint_id, null, null, 0, 1, '{}'::jsonb, site_currency, null, null, null)::store.cart_state;
      found := cardinality(current) + 1;
    else
      cart := current[found];
      cart.state := 'open'; -- coming back begins an episode; the abandonment stays on record
      cart.last_activity_at := happening.at;
      cart.last_sequence := happening.sequence;
      cart.last_touchpoint_id := happening.touchpoint_id;
    end if;
    cart.furthest_step := greatest(cart.furthest_step, store.cart_step_of(happening.kind));
    cart.currency := coalesce(currency, cart.currency);
    cart.recovery_url := coalesce(store.text_of(happening.properties -> 'recovery_url'), cart.recovery_url);
    if items is not null and happening.kind not in ('add_shipping_info', 'add_payment_info') then
      if cart.lines <> '{}'::jsonb or happening.kind <> 'remove_from_cart' then
        cart.lines := store.lines_after(cart.lines, happening.kind, items, currency);
        if cart.lines = '{}'::jsonb and (happening.kind = 'remove_from_cart' or jsonb_array_length(items) = 0)
          and happening.kind <> 'add_to_cart'
        then
          cart.state := 'emptied';
          cart.closed_at := happening.at;
        end if;
      end if;
    end if;
    current[found] := cart;
  end loop;
  return current;
end
$$;

create or replace function store.cart_bought(cart store.cart_state, at timestamptz, order_id text, self_recovery_window interval)
returns store.cart_state
language plpgsql immutable
as $$
begin
  cart.state := case when at < cart.abandoned_at + self_recovery_window then 'self_recovered' else 'purchased' end;
  cart.order_id := order_id;
  cart.closed_at := at;
  return cart;
end
$$;

drop aggregate if exists store.carts_of(
  store.cart_state[], text, timestamptz, bigint, uuid, text, jsonb, text, boolean, interval, interval, interval, interval, text);
drop function if exists store.cart_step(
  store.cart_state[], store.cart_state[], text, timestamptz, bigint, uuid, text, jsonb, text, boolean, interval, interval,
  interval, interval, text);
