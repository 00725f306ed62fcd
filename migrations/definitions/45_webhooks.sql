-- Webhooks: from the feed to deliveries, and from deliveries to attempts. What is sent, how, and when again is the
-- deliverers' (packages/collector/src/deliver); here is what must be true of it whatever becomes of them.

-- Whether anything but pings is sent to a webhook at an instant.
create or replace function store.is_sending(webhook store.webhooks, at timestamptz) returns boolean
language sql immutable parallel safe
return webhook.is_enabled and coalesce(webhook.paused_until <= at, true);

-- Sites where a deliverer has something to do.
create or replace function store.sites_with_deliveries(at timestamptz) returns integer[]
language plpgsql
as $$
begin
  return array(
    select distinct webhooks.site_id
    from store.webhooks
    join store.sites on sites.site_id = webhooks.site_id -- one that is being deleted sends nothing
    left join store.feeds on feeds.site_id = webhooks.site_id
    where (webhooks.is_enabled and webhooks.cursor < feeds.last_cursor)
      or exists (
        select from store.webhook_deliveries
        where webhook_deliveries.site_id = webhooks.site_id and webhook_deliveries.webhook_id = webhooks.webhook_id
          and webhook_deliveries.state = 'pending' and webhook_deliveries.next_attempt_at <= sites_with_deliveries.at
          and (webhook_deliveries.cursor is null or store.is_sending(webhooks, sites_with_deliveries.at))
      )
      or exists (
        select from store.webhook_deliveries
        where webhook_deliveries.site_id = webhooks.site_id and webhook_deliveries.webhook_id = webhooks.webhook_id
          and webhook_deliveries.state = 'sending' and webhook_deliveries.lease_until <= sites_with_deliveries.at
      )
    order by webhooks.site_id
  );
end
$$;

-- The id of a delivery, and the webhook-id of its messages: the same however often a change is read from the feed.
create or replace function store.delivery_id_of(webhook uuid, the_cursor bigint) returns uuid
language sql immutable strict parallel safe
return store.named_uuid('delivery ' || webhook || ' ' || the_cursor);

-- The trigger that a change tells of; null for any other change.
create or replace function store.trigger_of_change(type text, subject_id text) returns uuid
language sql immutable parallel safe
return case when type in ('cart.abandoned', 'checkout.abandoned', 'browse.abandoned') then subject_id::uuid end;

-- Turns what the feed of a site has gone on by into deliveries, at most `row_limit` changes a webhook. Answers whether
-- there is more. The place in the feed moves in the same transaction, and a feed has no gaps but those known: each change once.
create or replace function store.enqueue_deliveries(site integer, row_limit integer) returns boolean
language plpgsql
as $$
declare
  webhook store.webhooks;
  last bigint := coalesce((select feeds.last_cursor from store.feeds where feeds.site_id = site), 0);
  the_lost int8multirange := (select feeds.lost from store.feeds where feeds.site_id = site);
  until_cursor bigint;
  has_more boolean := false;
begin
  for webhook in
    select webhooks.*
    from store.webhooks
    where webhooks.site_id = site and webhooks.is_enabled and webhooks.cursor < last
    order by webhooks.webhook_id
    for update skip locked
  loop
    until_cursor := least(last, store.past_lost(webhook.cursor + row_limit, the_lost));
    insert into store.webhook_deliveries (site_id, delivery_id, webhook_id, cursor, type, person_id, trigger_id)
    select site, store.delivery_id_of(webhook.webhook_id, changes.cursor), webhook.webhook_id, changes.cursor, changes.type,
      changes.person_id, store.trigger_of_change(changes.type, changes.subject_id)
    from store.changes
    where changes.site_id = site and changes.cursor > webhook.cursor and changes.cursor <= until_cursor
      and changes.type = any (webhook.types) and changes.origin = any (webhook.origins)
    on conflict do nothing; -- replayed before its turn came
    update store.webhooks
    set cursor = until_cursor
    where webhooks.site_id = site and webhooks.webhook_id = webhook.webhook_id;
    has_more := has_more or until_cursor < last;
  end loop;
  return has_more;
end
$$;

-- What is sent of a change: its body as text, so that no digit of an amount is lost on the way. Null where the feed does
-- not hold it any more.
create or replace function store.webhook_body(delivery store.webhook_deliveries, trigger_now jsonb) returns text
language plpgsql stable
as $$
declare
  told store.changes;
  person jsonb;
begin
  if delivery.cursor is null then
    return json_build_object('type', delivery.type, 'timestamp', store.instant_text(delivery.created_at),
      'data', json_build_object('webhook_id', delivery.webhook_id))::text;
  end if;
  select changes.* into told
  from store.changes
  where changes.site_id = delivery.site_id and changes.cursor = delivery.cursor;
  if told.cursor is null then
    return null;
  end if;
  select jsonb_build_object('person_id', persons.person_id, 'user_id', persons.user_id, 'identities', (
      select coalesce(jsonb_agg(jsonb_build_object('type', identities.type, 'value', identities.value)
        order by identities.type, identities.value), '[]')
      from (
        select distinct identities.type, identities.value
        from store.identities
        where identities.site_id = persons.site_id and identities.person_id = persons.person_id
      ) as identities
    )) into person
  from store.persons
  where persons.site_id = told.site_id and persons.person_id = told.person_id;
  return json_build_object('type', told.type, 'timestamp', store.instant_text(told.recorded_at),
    'data', jsonb_build_object(
      'sequence', told.cursor, 'person', coalesce(person, jsonb_build_object('person_id', told.person_id)),
      'occurred_at', store.instant_text(told.occurred_at), 'origin', told.origin
    ) || case when trigger_now is not null then trigger_now
      else jsonb_build_object('subject_id', told.subject_id, 'before', told.before, 'after', told.after) end)::text;
end
$$;

create or replace function store.instant_text(at timestamptz) returns text
language sql immutable strict parallel safe
return to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- The triggers of deliveries that ended without a success: no endpoint will be told of them any more.
create or replace function store.settle_undeliverable(site integer, trigger uuid) returns void
language plpgsql
as $$
declare
  fired store.cart_triggers;
begin
  if trigger is null or exists (
    select from store.webhook_deliveries
    where webhook_deliveries.site_id = site and webhook_deliveries.trigger_id = trigger
      and webhook_deliveries.state in ('pending', 'sending')
  ) then
    return;
  end if;
  perform store.lock_site(site);
  select cart_triggers.* into fired
  from store.cart_triggers
  where cart_triggers.site_id = site and cart_triggers.trigger_id = trigger and cart_triggers.state = 'fired'
  for update;
  if fired.trigger_id is not null then
    perform store.settle_trigger(fired, 'voided', 'undeliverable');
  end if;
end
$$;

-- Ends whatever waits for a webhook. Pings are no part of that.
create or replace function store.cancel_deliveries(site integer, webhook uuid, the_reason text) returns void
language plpgsql
as $$
declare
  cancelled uuid;
begin
  for cancelled in
    update store.webhook_deliveries
    set state = 'cancelled', reason = the_reason, settled_at = clock_timestamp()
    where webhook_deliveries.site_id = site and webhook_deliveries.webhook_id = webhook
      and webhook_deliveries.state = 'pending' and webhook_deliveries.cursor is not null
    returning webhook_deliveries.trigger_id
  loop
    perform store.settle_undeliverable(site, cancelled);
  end loop;
end
$$;

-- Stops sending to a webhook. What changes meanwhile is not sent later, but can be replayed.
create or replace function store.disable_webhook(site integer, webhook uuid, the_reason text) returns void
language plpgsql
as $$
begin
  perform store.lock_site(site);
  update store.webhooks
  set is_enabled = false, disabled_reason = the_reason, updated_at = clock_timestamp()
  where webhooks.site_id = site and webhooks.webhook_id = webhook and webhooks.is_enabled;
  if found then
    perform store.cancel_deliveries(site, webhook, case the_reason when 'gone' then 'gone' else 'disabled' end);
  end if;
end
$$;

-- Takes up what deliverers left behind that are dead: nobody knows how those attempts ended, so they are made again.
create or replace function store.release_deliveries(site integer, at timestamptz) returns void
language plpgsql
as $$
declare
  lost record;
begin
  for lost in
    select webhook_deliveries.delivery_id, webhook_deliveries.trigger_id, webhook_deliveries.attempt_count
    from store.webhooks
    cross join lateral (
      select webhook_deliveries.*
      from store.webhook_deliveries
      where webhook_deliveries.site_id = webhooks.site_id and webhook_deliveries.webhook_id = webhooks.webhook_id
        and webhook_deliveries.state = 'sending' and webhook_deliveries.lease_until <= at
      for update skip locked
    ) as webhook_deliveries
    where webhooks.site_id = site
  loop
    update store.webhook_deliveries
    set state = 'pending', lease_until = null, next_attempt_at = at
    where webhook_deliveries.site_id = site and webhook_deliveries.delivery_id = lost.delivery_id;
    update store.webhook_attempts
    set ended_at = at, error = 'unknown'
    where webhook_attempts.site_id = site and webhook_attempts.delivery_id = lost.delivery_id
      and webhook_attempts.attempt = lost.attempt_count;
    if lost.trigger_id is not null then
      perform store.mark_trigger_delivered(site, lost.trigger_id, at);
    end if;
  end loop;
end
$$;

-- Whether a webhook has failed so often that one attempt at a time tries it.
create or replace function store.is_webhook_failing(failure_count integer) returns boolean
language sql immutable parallel safe
return failure_count >= 10;

-- Claims what is due at a site, at most `row_limit` and never more at a webhook than it takes at once. Triggers are read
-- again here, in this transaction, right before they are sent. Any number of deliverers may claim at once.
create or replace function store.claim_deliveries(site integer, at timestamptz, row_limit integer, lease interval)
returns table (delivery_id uuid, webhook_id uuid, url text, type text, attempt integer, round_attempt integer, body text, secrets text[])
language plpgsql
as $$
#variable_conflict use_column
declare
  webhook store.webhooks;
  delivery store.webhook_deliveries;
  room integer;
  told jsonb;
  message text;
  claimed_count integer := 0;
begin
  -- first the site, as everybody does who needs both: it waits for a derivation that may hold a purchase
  if exists (
    select from store.webhooks
    join store.webhook_deliveries
      on webhook_deliveries.site_id = webhooks.site_id and webhook_deliveries.webhook_id = webhooks.webhook_id
    where webhooks.site_id = site and webhook_deliveries.trigger_id is not null
      and (webhook_deliveries.state = 'sending' and webhook_deliveries.lease_until <= at
        or webhook_deliveries.state = 'pending' and webhook_deliveries.next_attempt_at <= at and store.is_sending(webhooks, at))
  ) then
    perform store.lock_site(site);
  end if;
  perform store.release_deliveries(site, at);

  for webhook in
    select webhooks.*
    from store.webhooks
    where webhooks.site_id = site
    order by random() -- none is first every time
    for update skip locked
  loop
    room := webhook.concurrency - (
      select count(*) from store.webhook_deliveries
      where webhook_deliveries.site_id = site and webhook_deliveries.webhook_id = webhook.webhook_id
        and webhook_deliveries.state = 'sending'
    );
    if store.is_webhook_failing(webhook.failure_count) then
      room := room - webhook.concurrency + 1;
    end if;
    for delivery in
      select webhook_deliveries.*
      from store.webhook_deliveries
      where webhook_deliveries.site_id = site and webhook_deliveries.webhook_id = webhook.webhook_id
        and webhook_deliveries.state = 'pending' and webhook_deliveries.next_attempt_at <= at
        and (webhook_deliveries.cursor is null or store.is_sending(webhook, at))
      order by webhook_deliveries.next_attempt_at
      limit greatest(0, least(room, row_limit - claimed_count))
      for update skip locked
    loop
      told := null;
      if delivery.trigger_id is not null then
        told := store.claim_trigger(site, delivery.trigger_id, at);
        if told is null then
          perform store.settle_delivery(delivery);
          continue;
        end if;
      end if;
      message := store.webhook_body(delivery, told);
      if message is null then
        update store.webhook_deliveries
        set state = 'failed', reason = 'not_kept', settled_at = clock_timestamp()
        where webhook_deliveries.site_id = site and webhook_deliveries.delivery_id = delivery.delivery_id;
        continue;
      end if;
      update store.webhook_deliveries
      set state = 'sending', reason = null, lease_until = at + lease, attempt_count = delivery.attempt_count + 1, body = message
      where webhook_deliveries.site_id = site and webhook_deliveries.delivery_id = delivery.delivery_id;
      insert into store.webhook_attempts (site_id, delivery_id, attempt, started_at)
      values (site, delivery.delivery_id, delivery.attempt_count + 1, at);
      claimed_count := claimed_count + 1;
      delivery_id := delivery.delivery_id;
      webhook_id := webhook.webhook_id;
      url := webhook.url;
      type := delivery.type;
      attempt := delivery.attempt_count + 1;
      round_attempt := attempt - delivery.attempts_before;
      body := message;
      secrets := array(
        select webhook_secrets.secret
        from store.webhook_secrets
        where webhook_secrets.site_id = site and webhook_secrets.webhook_id = webhook.webhook_id
          and coalesce(webhook_secrets.expires_at > at, true)
        order by webhook_secrets.created_at desc
      );
      return next;
    end loop;
  end loop;
end
$$;

-- Ends a delivery whose trigger has nothing to say any more, or may not say it.
create or replace function store.settle_delivery(delivery store.webhook_deliveries) returns void
language plpgsql
as $$
begin
  update store.webhook_deliveries
  set state = case when coalesce(known.reason, store.refusal_of(known)) in ('consent', 'opt_out') then 'held' else 'voided' end,
    reason = coalesce(known.reason, store.void_reason(known), store.refusal_of(known)), settled_at = clock_timestamp()
  from store.cart_triggers as known
  where known.site_id = delivery.site_id and known.trigger_id = delivery.trigger_id
    and webhook_deliveries.site_id = delivery.site_id and webhook_deliveries.delivery_id = delivery.delivery_id;
  if not found then -- the trigger is gone, with its person
    update store.webhook_deliveries
    set state = 'cancelled', reason = 'deleted', settled_at = clock_timestamp()
    where webhook_deliveries.site_id = delivery.site_id and webhook_deliveries.delivery_id = delivery.delivery_id;
  end if;
end
$$;

-- Writes down how an attempt ended. `outcome` is delivered, retry, failed or gone; an answer that came after the attempt was
-- given up counts only if it was a success.
create or replace function store.record_attempt(
  site integer, delivery uuid, the_attempt integer, at timestamptz, outcome text, status smallint, error text,
  headers jsonb, answer text, retry_at timestamptz, pause_until timestamptz, is_unknown boolean
) returns void
language plpgsql
as $$
declare
  known store.webhook_deliveries;
  attempted_at timestamptz;
begin
  select webhook_deliveries.* into known
  from store.webhook_deliveries
  where webhook_deliveries.site_id = site and webhook_deliveries.delivery_id = delivery;
  if known.trigger_id is not null or outcome = 'gone' then
    perform store.lock_site(site); -- before any row: so does everybody who needs both
  end if;
  select webhook_deliveries.* into known
  from store.webhook_deliveries
  where webhook_deliveries.site_id = site and webhook_deliveries.delivery_id = delivery
  for update;
  if known.delivery_id is null then
    return; -- erased or dropped meanwhile
  end if;
  update store.webhook_attempts
  set ended_at = at, status = record_attempt.status, error = record_attempt.error, headers = record_attempt.headers,
    answer = record_attempt.answer
  where webhook_attempts.site_id = site and webhook_attempts.delivery_id = delivery and webhook_attempts.attempt = the_attempt
  returning webhook_attempts.started_at into attempted_at;

  if known.trigger_id is not null and (outcome = 'delivered' or is_unknown) then
    perform store.mark_trigger_delivered(site, known.trigger_id, case outcome when 'delivered' then at else attempted_at end);
  end if;
  update store.webhooks
  set failure_count = case outcome when 'delivered' then 0 else webhooks.failure_count + 1 end,
    paused_until = case when outcome <> 'delivered' then greatest(
      webhooks.paused_until, pause_until, case when store.is_webhook_failing(webhooks.failure_count + 1)
        then at + least(interval '10 minutes', interval '15 seconds' * 2 ^ least(6, webhooks.failure_count - 9)) end) end
  where webhooks.site_id = site and webhooks.webhook_id = known.webhook_id and known.cursor is not null
    -- nothing to write for one that is well
    and (outcome <> 'delivered' or webhooks.failure_count > 0 or webhooks.paused_until is not null);

  if outcome = 'delivered' then
    update store.webhook_deliveries
    set state = 'delivered', reason = null, delivered_at = coalesce(known.delivered_at, at), settled_at = at, lease_until = null
    where webhook_deliveries.site_id = site and webhook_deliveries.delivery_id = delivery;
  elsif known.state = 'sending' and known.attempt_count = the_attempt then
    update store.webhook_deliveries
    set state = case outcome when 'retry' then 'pending' else 'failed' end,
      reason = case outcome when 'gone' then 'gone' when 'failed' then 'exhausted' end,
      next_attempt_at = coalesce(retry_at, next_attempt_at), lease_until = null,
      settled_at = case when outcome <> 'retry' then at end
    where webhook_deliveries.site_id = site and webhook_deliveries.delivery_id = delivery;
    if outcome <> 'retry' then
      perform store.settle_undeliverable(site, known.trigger_id);
    elsif known.cursor is not null and not exists (
      select from store.webhooks
      where webhooks.site_id = site and webhooks.webhook_id = known.webhook_id and webhooks.is_enabled
    ) then
      perform store.cancel_deliveries(site, known.webhook_id, 'disabled'); -- it was disabled during the attempt
    end if;
  end if;
  if outcome = 'gone' then
    perform store.disable_webhook(site, known.webhook_id, 'gone');
  end if;
end
$$;

-- The last place in a feed before an instant. Feeds are written in the order of time; in a gap counts what is before it.
create or replace function store.cursor_before(site integer, at timestamptz) returns bigint
language plpgsql stable
as $$
declare
  low bigint;
  high bigint;
  middle bigint;
begin
  select feeds.dropped_cursor, feeds.last_cursor into low, high from store.feeds where feeds.site_id = site;
  while low < high loop
    middle := (low + high + 1) / 2;
    if (
      select changes.recorded_at < at
      from store.changes
      where changes.site_id = site and changes.cursor <= middle
      order by changes.cursor desc
      limit 1
    ) then
      low := middle;
    else
      high := middle - 1;
    end if;
  end loop;
  return coalesce(low, 0);
end
$$;

-- Sends a delivery that has ended once more, under the id it has. Answers whether there is such a one.
create or replace function store.replay_delivery(site integer, webhook uuid, delivery uuid) returns boolean
language plpgsql
as $$
begin
  update store.webhook_deliveries
  set state = 'pending', reason = null, next_attempt_at = clock_timestamp(), settled_at = null,
    attempts_before = webhook_deliveries.attempt_count
  where webhook_deliveries.site_id = site and webhook_deliveries.webhook_id = webhook
    and webhook_deliveries.delivery_id = delivery and webhook_deliveries.state not in ('pending', 'sending');
  return found;
end
$$;

-- Sends everything once more that changed within a time and that the webhook is subscribed to, also what it missed while it
-- was disabled; with `states`, only deliveries that ended so. Answers how many.
create or replace function store.replay_range(site integer, webhook uuid, since timestamptz, until timestamptz, states text[])
returns bigint
language plpgsql
as $$
declare
  subscribed store.webhooks;
  after_cursor bigint := store.cursor_before(site, since);
  until_cursor bigint := store.cursor_before(site, until);
  replayed bigint;
begin
  select webhooks.* into subscribed
  from store.webhooks
  where webhooks.site_id = site and webhooks.webhook_id = webhook;
  insert into store.webhook_deliveries as known (site_id, delivery_id, webhook_id, cursor, type, person_id, trigger_id)
  select site, store.delivery_id_of(webhook, changes.cursor), webhook, changes.cursor, changes.type, changes.person_id,
    store.trigger_of_change(changes.type, changes.subject_id)
  from store.changes
  where changes.site_id = site and changes.cursor > after_cursor
    and changes.cursor <= least(until_cursor, subscribed.cursor) -- what follows is not due yet
    and changes.type = any (subscribed.types) and changes.origin = any (subscribed.origins)
    and (states is null or exists (
      select from store.webhook_deliveries
      where webhook_deliveries.site_id = site
        and webhook_deliveries.delivery_id = store.delivery_id_of(webhook, changes.cursor)
        and webhook_deliveries.state = any (states)
    ))
  on conflict (site_id, delivery_id) do update
  set state = 'pending', reason = null, next_attempt_at = clock_timestamp(), settled_at = null,
    attempts_before = known.attempt_count
  where known.state not in ('pending', 'sending');
  get diagnostics replayed = row_count;
  return replayed;
end
$$;

-- Drops deliveries that ended longer ago than their site keeps them, at most `row_limit` a site. Answers how many.
create or replace function store.drop_old_deliveries(now timestamptz, row_limit integer) returns bigint
language plpgsql
as $$
declare
  of_site record;
  gone uuid[];
  dropped bigint := 0;
begin
  for of_site in
    select sites.site_id, sites.deliveries_kept from store.sites
  loop
    with dropped_rows as (
      delete from store.webhook_deliveries
      where webhook_deliveries.ctid = any (array(
        select webhook_deliveries.ctid
        from store.webhook_deliveries
        where webhook_deliveries.site_id = of_site.site_id
          and webhook_deliveries.created_at < now - of_site.deliveries_kept
          and webhook_deliveries.state not in ('pending', 'sending')
        order by webhook_deliveries.created_at
        limit row_limit
      ))
      returning webhook_deliveries.delivery_id
    )

    select array_agg(dropped_rows.delivery_id) into gone from dropped_rows;
    delete from store.webhook_attempts
    where webhook_attempts.site_id = of_site.site_id and webhook_attempts.delivery_id = any (gone);
    dropped := dropped + coalesce(cardinality(gone), 0);
  end loop;
  return dropped;
end
$$;
