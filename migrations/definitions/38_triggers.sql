-- Triggers (SEMANTICS 7): a log of what fell due about abandoned carts and products seen, and what became of it. Live
-- derivation alone arms them; twins of a rebuild never do.

-- Of two tiers the one with the greater rank is the higher.
create or replace function store.tier_rank(tier text) returns smallint
language sql immutable parallel safe
return case tier when 'checkout' then 3 when 'cart' then 2 when 'browse' then 1 end;

-- The answer about marketing in a touchpoint's context: granted, denied, pending, or null where it says nothing.
create or replace function store.marketing_consent_of(context jsonb) returns text
language sql immutable parallel safe
return case jsonb_typeof(context -> 'consent')
  when 'string' then context ->> 'consent'
  when 'boolean' then case when (context -> 'consent')::boolean then 'granted' else 'denied' end
  when 'object' then case context -> 'consent' -> 'marketing'
    when 'true' then 'granted' when 'false' then 'denied' else context -> 'consent' ->> 'marketing' end
end;

-- The person's latest answer about marketing since an instant: null where nothing was said.
create or replace function store.marketing_consent_since(site integer, person uuid, since timestamptz) returns text
language plpgsql stable
as $$
begin
  return (
    select store.marketing_consent_of(touchpoints.context)
    from store.identities
    cross join lateral (
      select touchpoints.context, touchpoints.occurred_at, touchpoints.sequence, touchpoints.touchpoint_id
      from store.touchpoints
      where touchpoints.site_id = identities.site_id and touchpoints.identity_id = identities.identity_id
        and touchpoints.occurred_at >= marketing_consent_since.since
      offset 0
    ) as touchpoints
    where identities.site_id = marketing_consent_since.site and identities.person_id = marketing_consent_since.person
      and touchpoints.occurred_at >= identities.from_at
      and store.marketing_consent_of(touchpoints.context) is not null
    order by touchpoints.occurred_at desc, touchpoints.sequence desc, touchpoints.touchpoint_id desc
    limit 1
  );
end
$$;

-- Arms the triggers of the carts at hand that have just been found abandoned. Imports arm none, nor does who refused
-- marketing, nor what a change of a setting made fall due before it.
create or replace function store.arm_cart_triggers() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into store.cart_triggers (site_id, trigger_id, cart_key, person_id, tier, step, last_activity_at, abandoned_at, due_at)
  select
    found.site_id,
    store.named_uuid(concat_ws(' ', found.cart_key, found.tier, steps.step, extract(epoch from found.last_activity_at))),
    found.cart_key, found.person_id, found.tier, steps.step, found.last_activity_at, found.abandoned_at,
    found.abandoned_at + steps.delay
  from (
    select work_carts.site_id, work_carts.person_id, (work_carts.cart).cart_key as cart_key,
      (work_carts.cart).last_activity_at as last_activity_at, (work_carts.cart).abandoned_at as abandoned_at,
      (work_carts.cart).last_touchpoint_id as touchpoint_id,
      case when (work_carts.cart).furthest_step >= 2 then 'checkout' else 'cart' end as tier
    from work_carts
    join work_carts_before
      on work_carts_before.site_id = work_carts.site_id and work_carts_before.cart_key = (work_carts.cart).cart_key
    where (work_carts.cart).state = 'abandoned'
      and (
        work_carts_before.state is distinct from 'abandoned'
        or (work_carts_before.last_activity_at, work_carts_before.abandoned_at)
          is distinct from ((work_carts.cart).last_activity_at, (work_carts.cart).abandoned_at)
      )
  ) as found
  cross join lateral (
    select sites.trigger_steps, sites.triggers_from
    from store.sites
    where sites.site_id = found.site_id
    offset 0
  ) as sites
  cross join lateral (
    select touchpoints.ingested_by, touchpoints.context
    from store.touchpoints
    where touchpoints.site_id = found.site_id and touchpoints.touchpoint_id = found.touchpoint_id
    offset 0
  ) as touchpoints
  cross join lateral unnest(sites.trigger_steps) with ordinality as steps (delay, step)
  where touchpoints.ingested_by <> 'import'
    and store.marketing_consent_of(touchpoints.context) is distinct from 'denied'
    and found.abandoned_at >= coalesce(sites.triggers_from, '-infinity')
  on conflict do nothing;
end
$$;

-- What a late touchpoint or a merge has made of the triggers of whoever is replayed: they follow their person, and those
-- sent about an abandonment that, as is known now, never was, show it.
create or replace function store.supersede_triggers() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
declare
  found_trigger record;
begin
  -- Few at a time, so row by row: a join would read the whole log.
  for found_trigger in
    select triggers.site_id, triggers.trigger_id, work_persons.person_id
    from work_persons
    cross join lateral (
      select identities.former_person_id
      from identities
      where identities.site_id = work_persons.site_id and identities.person_id = work_persons.person_id
        and identities.former_person_id <> work_persons.person_id
      offset 0
    ) as identities
    cross join lateral (
      select cart_triggers.site_id, cart_triggers.trigger_id
      from store.cart_triggers
      where cart_triggers.site_id = work_persons.site_id and cart_triggers.person_id = identities.former_person_id
      offset 0
    ) as triggers
    where work_persons.is_replayed
      -- a subquery that cannot become a join, which would read every identity
      and (
        select true
        from identities as own
        where own.site_id = work_persons.site_id and own.person_id = identities.former_person_id
        limit 1
      ) is null
  loop
    update store.cart_triggers
    set person_id = found_trigger.person_id
    where cart_triggers.site_id = found_trigger.site_id and cart_triggers.trigger_id = found_trigger.trigger_id;
  end loop;

  for found_trigger in
    select triggers.site_id, triggers.trigger_id,
      coalesce((work_carts.cart).order_id is not null and (work_carts.cart).closed_at < triggers.abandoned_at, false) as is_bought
    from work_carts_before
    join work_persons
      on work_persons.site_id = work_carts_before.site_id and work_persons.person_id = work_carts_before.person_id
      and work_persons.is_replayed
    cross join lateral (
      select cart_triggers.*
      from store.cart_triggers
      where cart_triggers.site_id = work_carts_before.site_id and cart_triggers.cart_key = work_carts_before.cart_key
        and cart_triggers.state in ('fired', 'delivered')
      offset 0
    ) as triggers
    left join work_carts
      on work_carts.site_id = work_carts_before.site_id and (work_carts.cart).cart_key = work_carts_before.cart_key
    where work_carts_before.abandonment_count > 0
      and (
        work_carts.person_id is null
        or (work_carts.cart).closed_at < triggers.abandoned_at
        or (work_carts.cart).last_activity_at < triggers.last_activity_at
        or exists (
          select from work_touchpoints
          where work_touchpoints.site_id = work_carts.site_id and work_touchpoints.person_id = work_carts.person_id
            and work_touchpoints.is_activity and store.cart_step_of(work_touchpoints.name) is not null
            and store.text_of(work_touchpoints.properties -> 'cart_id') is not distinct from (work_carts.cart).cart_id
            and work_touchpoints.occurred_at >= (work_carts.cart).opened_at
            and case
              when work_touchpoints.occurred_at > triggers.last_activity_at
                then work_touchpoints.occurred_at < triggers.abandoned_at
              -- the checkout was reached before: it was of another tier, and due earlier
              else triggers.tier = 'cart' and store.cart_step_of(work_touchpoints.name) >= 2
            end
        )
      )
  loop
    update store.cart_triggers
    set state = 'superseded', settled_at = clock_timestamp(),
      reason = case when found_trigger.is_bought then 'purchased' else 'superseded' end
    where cart_triggers.site_id = found_trigger.site_id and cart_triggers.trigger_id = found_trigger.trigger_id;
  end loop;
end
$$;

-- What is to be done about triggers once the carts at hand are written.
create or replace function store.derive_triggers() returns void
language plpgsql
as $$
begin
  if exists (select from work_persons where is_replayed) then
    perform store.supersede_triggers();
  end if;
  if exists (select from work_carts_before where abandonment_count > 0) then
    perform store.void_triggers();
  end if;
  if exists (select from work_carts where (cart).state = 'abandoned') then
    perform store.arm_cart_triggers();
  end if;
end
$$;

-- Voids what waits for the carts at hand and has nothing to say any more.
create or replace function store.void_triggers() returns void
language plpgsql
as $$
begin
  update store.cart_triggers
  set state = case when cart_triggers.state = 'fired' and judged.reason = 'superseded' then 'superseded' else 'voided' end,
    reason = judged.reason, settled_at = clock_timestamp()
  from (
    select triggers.site_id, triggers.trigger_id, store.void_reason(triggers.known) as reason
    from work_carts_before
    cross join lateral (
      select cart_triggers.site_id, cart_triggers.trigger_id, cart_triggers as known
      from store.cart_triggers
      where cart_triggers.site_id = work_carts_before.site_id and cart_triggers.cart_key = work_carts_before.cart_key
        and cart_triggers.state in ('pending', 'fired')
      offset 0
    ) as triggers
    where work_carts_before.abandonment_count > 0
    offset 0
  ) as judged
  where judged.reason is not null
    and (cart_triggers.site_id, cart_triggers.trigger_id) = (judged.site_id, judged.trigger_id)
    and cart_triggers.state in ('pending', 'fired');
end
$$;

-- Persons whose wait after a product seen is over when the clock reaches an instant: told before the clock moves them on.
create or replace function store.browse_candidates(site integer, reached timestamptz) returns uuid[]
language plpgsql stable
as $$
begin
  return (
    select array_agg(persons.person_id)
    from store.persons
    cross join lateral (
      select greatest(persons.last_signal_at, persons.product_seen_at) + sites.browse_delay as due_at
      from store.sites
      where sites.site_id = browse_candidates.site
    ) as browsing
    where persons.site_id = browse_candidates.site and persons.next_due_at <= browse_candidates.reached
      and persons.product_seen_at is not null
      -- it was this wait that the clock was set to; an earlier one was looked at when it was over
      and persons.next_due_at <= browsing.due_at and browsing.due_at <= browse_candidates.reached
  );
end
$$;

-- Arms `browse.abandoned` for those of them who have no cart and bought nothing since.
create or replace function store.arm_browse_triggers(site integer, persons uuid[]) returns void
language plpgsql
as $$
begin
  insert into store.cart_triggers (site_id, trigger_id, person_id, tier, step, last_activity_at, abandoned_at, due_at)
  select
    found.site_id, store.named_uuid(concat_ws(' ', found.person_id, 'browse', 1, extract(epoch from found.last_activity_at))),
    found.person_id, 'browse', 1, found.last_activity_at, found.last_activity_at + found.browse_delay,
    found.last_activity_at + found.browse_delay
  from (
    select known.site_id, known.person_id, known.product_seen_at, sites.browse_delay, sites.triggers_from,
      greatest(known.last_signal_at, known.product_seen_at) as last_activity_at
    from unnest(arm_browse_triggers.persons) as candidates (person_id)
    cross join lateral (
      select persons.*
      from store.persons
      where persons.site_id = arm_browse_triggers.site and persons.person_id = candidates.person_id
      offset 0
    ) as known
    join store.sites on sites.site_id = known.site_id
  ) as found
  join store.clocks on clocks.site_id = found.site_id
  where found.last_activity_at + found.browse_delay between coalesce(found.triggers_from, '-infinity') and clocks.as_of
    and not exists (
      select from store.carts
      where carts.site_id = found.site_id and carts.person_id = found.person_id and carts.state in ('open', 'abandoned')
    )
    and not exists (
      select from store.orders
      where orders.site_id = found.site_id and orders.person_id = found.person_id and orders.occurred_at >= found.product_seen_at
    )
    and not exists (
      select from store.cart_triggers
      where cart_triggers.site_id = found.site_id and cart_triggers.person_id = found.person_id and cart_triggers.tier = 'browse'
        and cart_triggers.last_activity_at >= found.product_seen_at
    )
    and exists (
      select from store.identities
      cross join lateral (
        select touchpoints.ingested_by
        from store.touchpoints
        where touchpoints.site_id = identities.site_id and touchpoints.identity_id = identities.identity_id
          and touchpoints.occurred_at = found.last_activity_at
        offset 0
      ) as touchpoints
      where identities.site_id = found.site_id and identities.person_id = found.person_id
        and touchpoints.ingested_by <> 'import'
    )
    and store.marketing_consent_since(found.site_id, found.person_id, found.product_seen_at) is distinct from 'denied'
  on conflict do nothing;
end
$$;

-- Why a trigger has nothing to say any more, by what its cart or person is now; null while it has.
create or replace function store.void_reason(trigger store.cart_triggers) returns text
language plpgsql stable
as $$
declare
  cart store.carts;
  latest timestamptz;
  tier text;
begin
  if trigger.tier = 'browse' then
    select greatest(persons.last_signal_at, persons.product_seen_at) into latest
    from store.persons
    where persons.site_id = trigger.site_id and persons.person_id = trigger.person_id;
  else
    select carts.* into cart
    from store.carts
    where carts.site_id = trigger.site_id and carts.cart_key = trigger.cart_key;
    latest := cart.last_activity_at;
    tier := case when cart.furthest_step >= 2 then 'checkout' else 'cart' end;
  end if;

  return case
    when latest is null then 'superseded'
    when cart.order_id is not null or exists (
      select from store.orders
      where orders.site_id = trigger.site_id and orders.person_id = coalesce(cart.person_id, trigger.person_id)
        and orders.occurred_at >= trigger.last_activity_at
    ) then 'purchased'
    when latest < trigger.last_activity_at then 'superseded'
    when cart.state in ('emptied', 'expired') then cart.state
    when latest > trigger.last_activity_at
      then case when latest < trigger.abandoned_at then 'superseded' else 'returned' end
    when tier <> trigger.tier or cart.state <> 'abandoned' then 'superseded'
  end;
end
$$;

-- Whether the person wants no messages: `consent` or `opt_out`; null where they may be sent.
create or replace function store.refusal_of(trigger store.cart_triggers) returns text
language plpgsql stable
as $$
declare
  consent text := store.marketing_consent_since(trigger.site_id, trigger.person_id, trigger.last_activity_at);
  traits jsonb;
begin
  if consent = 'denied' or (consent is distinct from 'granted' and exists (
    select from store.sites where sites.site_id = trigger.site_id and sites.consent_required
  )) then
    return 'consent';
  end if;
  select persons.traits into traits
  from store.persons
  where persons.site_id = trigger.site_id and persons.person_id = trigger.person_id;
  return case when 'true' in (lower(traits ->> 'unsubscribed'), lower(traits ->> 'opt_out')) then 'opt_out' end;
end
$$;

-- Why a trigger that is due must not be sent, though it has something to say; null where it may.
create or replace function store.suppression_of(trigger store.cart_triggers, at timestamptz) returns text
language plpgsql stable
as $$
declare
  site store.sites;
  refusal text;
begin
  select sites.* into site from store.sites where sites.site_id = trigger.site_id;
  if at > trigger.due_at + site.trigger_stale_after then
    return 'stale';
  end if;

  refusal := store.refusal_of(trigger);
  if refusal is not null then
    return refusal;
  end if;

  -- What was sent, or taken to have been; one found late may be due before what was sent.
  if exists (
    select from store.cart_triggers as higher
    where higher.site_id = trigger.site_id and higher.person_id = trigger.person_id
      and higher.due_at > trigger.due_at - site.higher_tier_window and higher.due_at < trigger.due_at + site.higher_tier_window
      and higher.fired_at is not null and store.tier_rank(higher.tier) > store.tier_rank(trigger.tier)
      and higher.trigger_id <> trigger.trigger_id
  ) then
    return 'higher_tier';
  end if;
  if trigger.step = 1 and exists (
    select from store.cart_triggers as other
    where other.site_id = trigger.site_id and other.person_id = trigger.person_id and other.step = 1
      and other.due_at > trigger.due_at - site.trigger_cap_window and other.due_at < trigger.due_at + site.trigger_cap_window
      and other.fired_at is not null and other.trigger_id <> trigger.trigger_id
  ) then
    return 'cap';
  end if;

  -- the next step of what was not begun
  if trigger.step > 1 then
    return (
      select first_step.reason
      from store.cart_triggers as first_step
      where first_step.site_id = trigger.site_id and first_step.cart_key = trigger.cart_key and first_step.tier = trigger.tier
        and first_step.step = 1 and first_step.last_activity_at = trigger.last_activity_at
        and first_step.state = 'suppressed' and first_step.reason in ('cap', 'higher_tier')
    );
  end if;

  -- The same episode, sent about before a late touchpoint re-dated it, or opened the cart earlier, as another.
  if exists (
    select from store.cart_triggers as sent
    join store.carts on carts.site_id = sent.site_id and carts.cart_key = trigger.cart_key
    where sent.site_id = trigger.site_id and sent.person_id = trigger.person_id and sent.step = trigger.step
      and sent.fired_at is not null and sent.state = 'superseded' and sent.last_activity_at >= carts.opened_at
      and (carts.abandonment_count = 1 or sent.abandoned_at > trigger.last_activity_at)
      and (sent.cart_key = trigger.cart_key or not exists (
        select from store.carts as others where others.site_id = sent.site_id and others.cart_key = sent.cart_key
      ))
  ) then
    return 'superseded';
  end if;
  return null;
end
$$;

-- Whether anybody is subscribed to a type of webhook. Where nobody is, publication in the feed is delivery.
create or replace function store.is_subscribed(site integer, type text) returns boolean
language sql stable
return exists (
  select from store.webhooks
  where webhooks.site_id = is_subscribed.site and webhooks.is_enabled
    and is_subscribed.type = any (webhooks.types) and 'live' = any (webhooks.origins)
);

-- What the feed and webhooks say of a trigger: the cart as it is now.
create or replace function store.trigger_told(trigger store.cart_triggers) returns jsonb
language plpgsql stable
as $$
begin
  return (
    select jsonb_strip_nulls(jsonb_build_object(
      'trigger_id', trigger.trigger_id, 'cart_key', trigger.cart_key, 'tier', trigger.tier, 'step', trigger.step,
      'due_at', trigger.due_at, 'abandoned_at', trigger.abandoned_at, 'last_activity_at', trigger.last_activity_at,
      'user_id', persons.user_id, 'cart_id', carts.cart_id, 'lines', store.lines_told(carts.lines), 'item_count', carts.item_count,
      'value', carts.value, 'currency', carts.currency, 'recovery_url', carts.recovery_url,
      'episode', carts.abandonment_count
    ))
    from (select 1) as once
    left join store.persons on persons.site_id = trigger.site_id and persons.person_id = trigger.person_id
    left join store.carts on carts.site_id = trigger.site_id and carts.cart_key = trigger.cart_key
  );
end
$$;

-- Sites where a trigger may be due.
create or replace function store.sites_with_due_triggers(at timestamptz) returns integer[]
language plpgsql stable
as $$
begin
  return array(
    select distinct cart_triggers.site_id
    from store.cart_triggers
    where cart_triggers.state = 'pending' and cart_triggers.due_at <= sites_with_due_triggers.at
    order by cart_triggers.site_id
  );
end
$$;

-- The instant up to which a site has caught up: every touchpoint that a live collector acked before it has been derived.
create or replace function store.caught_up_until(site integer) returns timestamptz
language plpgsql
as $$
begin
  return (
    select least(
      clocks.as_of,
      (
        select min(collectors.acked_until)
        from store.collectors
        where collectors.seen_at > clock_timestamp() - sites.collector_silence_limit
      ),
      (
        select min(coalesce(batches.received_at, '-infinity'))
        from store.batches
        where batches.site_id = sites.site_id and batches.origin = 'live'
      )
    )
    from store.sites
    join store.clocks on clocks.site_id = sites.site_id
    where sites.site_id = caught_up_until.site
  );
end
$$;

-- Fires what is due at a site, at most `row_limit` triggers a call, or settles it otherwise. Answers how many. `at` is now
-- unless it is given. Holds the site as derivation does: what it reads is not about to change, and two firers take turns.
create or replace function store.fire_triggers(site integer, at timestamptz, row_limit integer) returns integer
language plpgsql
as $$
declare
  due store.cart_triggers;
  why text;
  caught_up timestamptz;
  handled integer := 0;
  now timestamptz;
begin
  perform store.lock_site(site);
  now := coalesce(at, clock_timestamp());
  caught_up := store.caught_up_until(site);
  for due in
    select cart_triggers.*
    from store.cart_triggers
    where cart_triggers.site_id = site and cart_triggers.state = 'pending'
      and cart_triggers.due_at <= least(now, caught_up)
    order by cart_triggers.due_at, store.tier_rank(cart_triggers.tier) desc, cart_triggers.trigger_id
    limit row_limit
    for update
  loop
    handled := handled + 1;
    why := store.void_reason(due);
    if why is not null then
      perform store.settle_trigger(due, 'voided', why);
      continue;
    end if;
    why := store.suppression_of(due, now);
    if why is not null then
      perform store.settle_trigger(due, 'suppressed', why);
      continue;
    end if;
    update store.cart_triggers
    set state = 'fired', fired_at = now
    where cart_triggers.site_id = due.site_id and cart_triggers.trigger_id = due.trigger_id;
    perform store.publish_change(
      due.site_id, due.tier || '.abandoned', due.person_id, due.trigger_id::text, due.due_at, 'live', null,
      store.trigger_told(due));
    if not store.is_subscribed(due.site_id, due.tier || '.abandoned') then
      perform store.mark_trigger_delivered(due.site_id, due.trigger_id, now);
    end if;
  end loop;
  return handled;
end
$$;

create or replace function store.settle_trigger(trigger store.cart_triggers, state text, reason text) returns void
language plpgsql
as $$
begin
  update store.cart_triggers
  set state = settle_trigger.state, reason = settle_trigger.reason, settled_at = clock_timestamp()
  where cart_triggers.site_id = trigger.site_id and cart_triggers.trigger_id = trigger.trigger_id;
end
$$;

-- The hand-over of a fired trigger, before each attempt to deliver it: reads the cart again and claims the attempt, or
-- settles the trigger. Answers what to send; null where it must not be sent. One that an endpoint has taken, or may have,
-- is handed over again for another endpoint, another attempt or a replay, as long as it has something to say.
create or replace function store.claim_trigger(site integer, trigger uuid, at timestamptz) returns jsonb
language plpgsql
as $$
declare
  claimed store.cart_triggers;
  why text;
begin
  perform store.lock_site(site);
  select cart_triggers.* into claimed
  from store.cart_triggers
  where cart_triggers.site_id = site and cart_triggers.trigger_id = trigger
    and cart_triggers.state in ('fired', 'delivered')
  for update;
  if claimed.trigger_id is null then
    return null;
  end if;
  why := store.void_reason(claimed);
  if why is not null then
    if claimed.state = 'fired' then
      perform store.settle_trigger(claimed, case why when 'superseded' then 'superseded' else 'voided' end, why);
    end if;
    return null;
  end if;
  why := store.refusal_of(claimed);
  if why is not null then
    if claimed.state = 'fired' then
      perform store.settle_trigger(claimed, 'suppressed', why);
    end if;
    return null;
  end if;
  update store.cart_triggers
  set attempted_at = claim_trigger.at, attempt_count = cart_triggers.attempt_count + 1
  where cart_triggers.site_id = site and cart_triggers.trigger_id = trigger;
  return store.trigger_told(claimed);
end
$$;

-- The first success of a delivery, or an attempt of which nobody knows how it ended. A cart bought after that was
-- recovered by it, also where derivation has seen the purchase already.
create or replace function store.mark_trigger_delivered(site integer, trigger uuid, at timestamptz) returns void
language plpgsql
as $$
declare
  marked store.cart_triggers;
  cart store.carts;
begin
  perform store.lock_site(site);
  update store.cart_triggers
  set delivered_at = mark_trigger_delivered.at, state = case state when 'fired' then 'delivered' else state end
  where cart_triggers.site_id = site and cart_triggers.trigger_id = trigger and cart_triggers.delivered_at is null
  returning cart_triggers.* into marked;
  select carts.* into cart
  from store.carts
  where carts.site_id = site and carts.cart_key = marked.cart_key and carts.state in ('purchased', 'self_recovered');
  if store.recovering_trigger(site, cart.cart_key, cart.closed_at, (
    select sites.recovery_window from store.sites where sites.site_id = site
  )) is not null then
    update store.carts set state = 'recovered' where carts.site_id = site and carts.cart_key = cart.cart_key;
    perform store.publish_change(
      site, 'cart.recovered', cart.person_id, cart.cart_key::text, cart.closed_at, 'live',
      store.cart_told(cart), store.cart_told(cart) || jsonb_build_object('state', 'recovered', 'trigger_id', trigger));
  end if;
end
$$;

-- The latest of a cart's triggers delivered within the site's window before an instant: 7 days, and no longer.
drop function if exists store.recovering_trigger(integer, uuid, timestamptz);
create or replace function store.recovering_trigger(
  site integer, cart uuid, bought_at timestamptz, recovery_window interval
) returns uuid
language plpgsql stable
as $$
begin
  return (
    select cart_triggers.trigger_id
    from store.cart_triggers
    where cart_triggers.site_id = site and cart_triggers.cart_key = cart
      and cart_triggers.delivered_at <= bought_at
      and bought_at < cart_triggers.delivered_at + recovering_trigger.recovery_window
    order by cart_triggers.delivered_at desc, cart_triggers.trigger_id
    limit 1
  );
end
$$;

-- Of the carts at hand that were bought, those recovered by a trigger. The log is read as an input, by rebuilds too.
create or replace function store.recover_carts() returns void
language plpgsql
as $$
begin
  update work_carts
  set cart.state = 'recovered'
  from work_sites
  where work_sites.site_id = work_carts.site_id and (work_carts.cart).state in ('purchased', 'self_recovered')
    and store.recovering_trigger(work_carts.site_id, (work_carts.cart).cart_key, (work_carts.cart).closed_at,
      work_sites.recovery_window) is not null;
end
$$;

-- What a collector says of itself, about once a second: everything it acked before `acked_until` is stored.
create or replace function store.report_collector(collector text, acked_until timestamptz) returns void
language plpgsql
as $$
begin
  insert into store.collectors (collector_id, acked_until, seen_at)
  values (collector, least(report_collector.acked_until, clock_timestamp()), clock_timestamp())
  on conflict (collector_id) do update set acked_until = excluded.acked_until, seen_at = excluded.seen_at;
end
$$;
