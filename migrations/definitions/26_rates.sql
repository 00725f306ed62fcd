-- Exchange rates (SEMANTICS 8 and 14): the rate of a day, what is converted by it, and what an import changes.

-- The rate of a day: what one unit of a currency is worth in another, to 20 decimals. Of a day without both of them the
-- latest earlier one's that has both, within seven days: central banks publish none on weekends and holidays.
-- Null when there is none.
create or replace function store.rate_of(site integer, day date, from_currency text, to_currency text) returns numeric
language plpgsql stable
as $$
begin
  if from_currency = to_currency then
    return 1;
  end if;
  return (
    select trim_scale(round(round(wanted.rate, 20) / given.rate, 20))
    from store.rates as given
    join store.rates as wanted
      on wanted.site_id = given.site_id and wanted.currency = rate_of.to_currency and wanted.day = given.day
    where given.site_id = rate_of.site and given.currency = rate_of.from_currency
      and given.day between rate_of.day - 7 and rate_of.day
      and wanted.site_id = rate_of.site and wanted.day between rate_of.day - 7 and rate_of.day
    order by given.day desc
    limit 1
  );
end
$$;

-- An amount of an order in the site's currency, to six decimals; null without a rate.
create or replace function store.in_site_currency(amount numeric, is_foreign boolean, site_rate numeric) returns numeric
language sql immutable parallel safe
return case when is_foreign then trim_scale(round(amount * site_rate, 6)) else amount end;

-- Σ quantity × price of a cart with lines in several currencies, each converted by the day's rate; null while one has none.
create or replace function store.mixed_lines_value(site integer, lines jsonb, currency text, day date) returns numeric
language plpgsql stable
as $$
begin
  return (
    select case when count(priced.value) = count(*) then trim_scale(sum(priced.value)) end
    from (
      select round(
        (entries.line ->> 'quantity')::numeric * coalesce((entries.line ->> 'price')::numeric, 0)
          * store.rate_of(mixed_lines_value.site, mixed_lines_value.day,
            coalesce(entries.line ->> 'currency', mixed_lines_value.currency), mixed_lines_value.currency),
        6
      ) as value
      from jsonb_each(lines) as entries (key, line)
    ) as priced
  );
end
$$;

-- How many lines of a cart have no rate to its currency.
create or replace function store.unconverted_lines(site integer, lines jsonb, currency text, day date) returns integer
language plpgsql stable
as $$
begin
  return (
    select count(*)
    from jsonb_each(lines) as entries (key, line)
    where store.rate_of(unconverted_lines.site, unconverted_lines.day,
      coalesce(entries.line ->> 'currency', unconverted_lines.currency), unconverted_lines.currency) is null
  );
end
$$;

-- Stores the rates of whole days, in place of what these days had. The lists go together, one place a rate. Answers how
-- many days are others than before; what is converted by those is then derived again, by derive_rate_changes.
create or replace function store.import_rates(site integer, days date[], currencies text[], rates numeric[]) returns integer
language plpgsql
set plan_cache_mode = force_custom_plan -- one rate and the ECB's whole history are planned as what they are
as $$
declare
  changed_count integer;
begin
  perform pg_advisory_xact_lock(hashtext('milepost.rates'), site);

  with told as materialized (
    select listed.day, listed.currency, listed.rate
    from unnest(import_rates.days, import_rates.currencies, import_rates.rates) as listed (day, currency, rate)
  ),

  gone as (
    delete from store.rates
    where rates.site_id = import_rates.site
      and rates.day in (select told.day from told)
      and not exists (select from told where told.day = rates.day and told.currency = rates.currency)
    returning rates.day
  ),

  put as (
    insert into store.rates
    select import_rates.site, told.currency, told.day, told.rate from told
    on conflict (site_id, currency, day) do update set rate = excluded.rate
    where rates.rate <> excluded.rate
    returning rates.day
  ),

  changed as materialized (
    select gone.day from gone union select put.day from put
  ),

  queued as (
    insert into store.rate_changes (site_id, days)
    select import_rates.site, unnest(range_agg(daterange(changed.day, changed.day + 8))) from changed
  )

  select count(*) into changed_count from changed;
  return changed_count;
end
$$;

-- One step of what an import of rates left to do: looks at up to `row_limit` orders and carts and derives those again that
-- another rate applies to. Sites that another deriver is at work on are left for later, unless this one `is_patient`.
-- Answers whether there was anything to do.
create or replace function store.derive_rate_changes(row_limit integer, is_patient boolean) returns boolean
language plpgsql
as $$
declare
  change record;
begin
  for change in
    select rate_changes.site_id, rate_changes.change_id from store.rate_changes order by rate_changes.change_id
  loop
    if is_patient then
      perform store.lock_site(change.site_id);
    elsif not store.try_site(change.site_id) then
      continue;
    end if;
    perform store.clear_work_tables();
    perform store.load_work_sites(array[change.site_id]);
    perform store.take_rate_change(change.site_id, change.change_id, row_limit);
    if exists (select from work_conversions) then
      perform store.derive_marked_persons();
    end if;
    return true;
  end loop;
  return false;
end
$$;

-- Puts what another rate applies to on the workbench, and notes how far that is. The site's lock is held, so no other
-- deriver has work under way that the rates before the import went into.
create or replace function store.take_rate_change(site integer, change bigint, row_limit integer) returns void
language plpgsql
as $$
declare
  at_hand record;
  reached record;
begin
  select rate_changes.*,
    lower(rate_changes.days)::timestamp at time zone work_sites.time_zone as from_at,
    upper(rate_changes.days)::timestamp at time zone work_sites.time_zone as until_at,
    work_sites.time_zone, work_sites.currency
  into at_hand
  from store.rate_changes
  join work_sites on work_sites.site_id = rate_changes.site_id
  where rate_changes.site_id = take_rate_change.site and rate_changes.change_id = take_rate_change.change;
  if not found then
    return; -- another deriver has done it
  end if;

  with looked_at as materialized (
    select orders.order_id, orders.occurred_at,
      orders.site_rate is distinct from store.rate_of(
        orders.site_id, (orders.occurred_at at time zone at_hand.time_zone)::date, orders.currency, at_hand.currency) as is_other
    from orders
    where orders.site_id = take_rate_change.site and orders.is_foreign
      and orders.occurred_at >= at_hand.from_at and orders.occurred_at < at_hand.until_at
      and (orders.occurred_at, orders.order_id) > (at_hand.order_at, at_hand.order_id)
    order by orders.occurred_at, orders.order_id
    limit row_limit
  ),

  put as (
    insert into work_conversions (site_id, order_id)
    select take_rate_change.site, looked_at.order_id from looked_at where looked_at.is_other
  )

  select count(*) as row_count,
    (array_agg(looked_at.occurred_at order by looked_at.occurred_at desc, looked_at.order_id desc))[1] as at,
    (array_agg(looked_at.order_id order by looked_at.occurred_at desc, looked_at.order_id desc))[1] as id
  into reached
  from looked_at;
  if reached.row_count > 0 then
    update store.rate_changes
    set order_at = reached.at, order_id = reached.id
    where rate_changes.site_id = take_rate_change.site and rate_changes.change_id = take_rate_change.change;
    return;
  end if;

  with looked_at as materialized (
    select carts.cart_key, carts.last_activity_at,
      row(carts.value, carts.unconverted_line_count) is distinct from row(
        store.mixed_lines_value(carts.site_id, carts.lines, carts.currency,
          (carts.last_activity_at at time zone at_hand.time_zone)::date),
        store.unconverted_lines(carts.site_id, carts.lines, carts.currency,
          (carts.last_activity_at at time zone at_hand.time_zone)::date)
      ) as is_other
    from carts
    where carts.site_id = take_rate_change.site and carts.is_mixed
      and carts.last_activity_at >= at_hand.from_at and carts.last_activity_at < at_hand.until_at
      and (carts.last_activity_at, carts.cart_key) > (at_hand.cart_at, at_hand.cart_key)
    order by carts.last_activity_at, carts.cart_key
    limit row_limit
  ),

  put as (
    insert into work_conversions (site_id, cart_key)
    select take_rate_change.site, looked_at.cart_key from looked_at where looked_at.is_other
  )

  select count(*) as row_count,
    (array_agg(looked_at.last_activity_at order by looked_at.last_activity_at desc, looked_at.cart_key desc))[1] as at,
    (array_agg(looked_at.cart_key order by looked_at.last_activity_at desc, looked_at.cart_key desc))[1] as id
  into reached
  from looked_at;
  if reached.row_count > 0 then
    update store.rate_changes
    set cart_at = reached.at, cart_key = reached.id
    where rate_changes.site_id = take_rate_change.site and rate_changes.change_id = take_rate_change.change;

    insert into work_carts
    select carts.site_id, carts.person_id, row(
      carts.cart_key, carts.cart_id, carts.state, carts.opened_at, carts.last_activity_at, carts.last_sequence,
      carts.last_touchpoint_id, carts.abandoned_at, carts.first_abandoned_at, carts.abandonment_count, carts.furthest_step,
      carts.lines, carts.currency, carts.recovery_url, carts.order_id, carts.closed_at)::store.cart_state
    from work_conversions
    cross join lateral (
      select carts.*
      from carts
      where carts.site_id = work_conversions.site_id and carts.cart_key = work_conversions.cart_key
      offset 0
    ) as carts;
    return;
  end if;

  delete from store.rate_changes
  where rate_changes.site_id = take_rate_change.site and rate_changes.change_id = take_rate_change.change;
end
$$;
