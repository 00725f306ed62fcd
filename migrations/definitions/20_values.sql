-- Reading what clients send. Total functions: whatever the JSON holds, they answer a value or null and never fail.

-- A number, given as one or as text; null when unreadable, beyond 15 digits, or `value` is missing.
create or replace function store.number_of(value jsonb) returns numeric
language plpgsql immutable parallel safe
as $$
declare
  number numeric;
begin
  case jsonb_typeof(value)
    when 'number' then number := value::numeric;
    when 'string' then
      -- The length and exponent are bounded, so that the cast cannot overflow.
      if length(value #>> '{}') <= 40 and (value #>> '{}') ~ '^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?\s*$' then
        number := (value #>> '{}')::numeric;
      end if;
    else return null;
  end case;
  if abs(number) >= 1e15 then
    return null;
  end if;
  return trim_scale(round(number, 6));
end
$$;

-- A number that cannot be negative: a price, a quantity, an amount. A negative one counts as missing (SEMANTICS 14).
create or replace function store.amount_of(value jsonb) returns numeric
language plpgsql immutable parallel safe
as $$
declare
  number numeric := store.number_of(value);
begin
  return case when number >= 0 then number end;
end
$$;

-- A text or number as text; null for anything else and for blanks.
create or replace function store.text_of(value jsonb) returns text
language sql immutable parallel safe
return case when jsonb_typeof(value) in ('string', 'number') then nullif(btrim(value #>> '{}'), '') end;

-- An ISO 4217 code, upper-cased, or null.
create or replace function store.currency_of(value jsonb) returns text
language sql immutable parallel safe
return case
  when jsonb_typeof(value) = 'string' and upper(btrim(value #>> '{}')) ~ '^[A-Z]{3}$' then upper(btrim(value #>> '{}'))
end;

-- The list of items of an event: null when it carries none, else a JSON array (perhaps empty). A single product may
-- stand in the properties themselves, as in Segment's Product Added.
create or replace function store.items_of(properties jsonb) returns jsonb
language sql immutable parallel safe
return case
  when jsonb_typeof(properties -> 'items') = 'array' then properties -> 'items'
  when jsonb_typeof(properties -> 'products') = 'array' then properties -> 'products'
  when coalesce(store.text_of(properties -> 'item_id'), store.text_of(properties -> 'product_id'),
    store.text_of(properties -> 'sku'), store.text_of(properties -> 'item_name')) is not null then jsonb_build_array(properties)
end;

create or replace function store.item_key(item jsonb) returns text
language sql immutable parallel safe
return coalesce(store.text_of(item -> 'item_id'), store.text_of(item -> 'product_id'), store.text_of(item -> 'sku'),
  store.text_of(item -> 'item_name'), store.text_of(item -> 'name'))
  || E'\x1f' || coalesce(store.text_of(item -> 'item_variant'), store.text_of(item -> 'variant'), '');

-- Σ price × quantity of a list; null when no item has a price. A missing quantity is 1.
create or replace function store.items_total(items jsonb) returns numeric
language sql immutable parallel safe
return (
  select trim_scale(sum(store.amount_of(items.item -> 'price') * coalesce(store.amount_of(items.item -> 'quantity'), 1)))
  from jsonb_array_elements(case when jsonb_typeof(items) = 'array' then items else '[]'::jsonb end) as items (item)
);

-- Whether the condition of a rule holds. Conditions: {"all": [...]}, {"any": [...]}, {"not": …}, or one property compared:
-- {"property": "kind", "equals": "nps"}, {"property": "plan", "in": ["team", "business"]}, {"property": "coupon", "exists": true},
-- {"property": "score", "at_least": 9, "at_most": 10}, {"property": "rating", "share_of": "scale", "default": 5, "at_least": 0.8}.
-- A property that is missing, or cannot be read as the number asked for, fulfils no comparison.
create or replace function store.matches(condition jsonb, properties jsonb) returns boolean
language plpgsql immutable parallel safe
as $$
declare
  said jsonb := properties -> (condition ->> 'property');
  part jsonb;
  number numeric;
begin
  if condition is null then
    return true;
  elsif condition ? 'all' then
    for part in select parts.part from jsonb_array_elements(condition -> 'all') as parts (part) loop
      if not store.matches(part, properties) then return false; end if;
    end loop;
    return true;
  elsif condition ? 'any' then
    for part in select parts.part from jsonb_array_elements(condition -> 'any') as parts (part) loop
      if store.matches(part, properties) then return true; end if;
    end loop;
    return false;
  elsif condition ? 'not' then
    return not store.matches(condition -> 'not', properties);
  elsif condition ? 'exists' then
    return (coalesce(jsonb_typeof(said), 'null') <> 'null') = (condition ->> 'exists')::boolean;
  elsif condition ? 'equals' then
    return store.is_said(said, condition -> 'equals');
  elsif condition ? 'in' then
    for part in select parts.part from jsonb_array_elements(condition -> 'in') as parts (part) loop
      if store.is_said(said, part) then return true; end if;
    end loop;
    return false;
  end if;
  if condition ? 'share_of' then
    number := store.amount_of(said) / nullif(coalesce(store.amount_of(properties -> (condition ->> 'share_of')),
      (condition ->> 'default')::numeric), 0);
  else
    number := store.number_of(said);
  end if;
  return coalesce(
    number >= coalesce((condition ->> 'at_least')::numeric, number)
      and number <= coalesce((condition ->> 'at_most')::numeric, number),
    false);
end
$$;

-- Whether a property says just this: numbers by their value, also given as text; text, true and false exactly.
create or replace function store.is_said(said jsonb, wanted jsonb) returns boolean
language sql immutable parallel safe
return coalesce(
  case when jsonb_typeof(wanted) = 'number' then store.number_of(said) = store.number_of(wanted) else said = wanted end, false);

-- The path of the page a touchpoint happened on.
create or replace function store.path_of(context jsonb) returns text
language sql immutable parallel safe
return coalesce(
  nullif(context -> 'page' ->> 'path', ''),
  substring(context -> 'page' ->> 'url' from '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*(/[^?#]*)')
);

-- Whether a definition reads the properties of an event of this name: carts, orders, and rules with conditions.
create or replace function store.reads_properties(event_name text) returns boolean
language sql immutable parallel safe
return event_name in (
  'add_to_cart', 'remove_from_cart', 'view_cart', 'cart_updated', 'begin_checkout', 'add_shipping_info', 'add_payment_info',
  'purchase', 'subscription_started', 'refund', 'order_cancelled', 'review_submitted', 'survey_answered',
  'alias'
);
