-- Joins (SEMANTICS 3): a user id and another identity seen together, within the limits of a person.

-- Joins: a user id has at most so many identities of each type, the first ones seen with it. A link is put back by one
-- that turns out to be earlier.
create or replace function store.settle_joins() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  with users as (
    select work_link_changes.site_id, work_link_changes.other_id, bool_or(work_link_changes.is_corrected) as is_corrected
    from work_link_changes
    where work_link_changes.kind = 'join'
    group by work_link_changes.site_id, work_link_changes.other_id
  ),

  -- What was accepted, and what is new: no other link can come in, unless one was taken back by hand.
  candidates as (
    select known.*
    from users
    cross join lateral (
      select identity_links.*
      from identity_links
      where identity_links.site_id = users.site_id and identity_links.other_id = users.other_id
        and identity_links.state = 'accepted'
      offset 0
    ) as known
    where known.kind = 'join' and not users.is_corrected
    union
    select known.*
    from users
    cross join lateral (
      select identity_links.*
      from identity_links
      where users.is_corrected and identity_links.site_id = users.site_id and identity_links.other_id = users.other_id
      offset 0
    ) as known
    where known.kind = 'join'
    union
    select known.*
    from work_link_changes
    cross join lateral (
      select identity_links.*
      from identity_links
      where identity_links.site_id = work_link_changes.site_id and identity_links.identity_id = work_link_changes.identity_id
        and identity_links.other_id = work_link_changes.other_id
      offset 0
    ) as known
    where work_link_changes.kind = 'join'
  ),

  placed as (
    select candidates.*, row_number() over (
        partition by candidates.site_id, candidates.other_id, candidates.type, candidates.correction
        order by candidates.at, candidates.sequence, candidates.touchpoint_id, candidates.value collate "C"
      ) <= coalesce((sites.identity_limits ->> candidates.type)::integer, sites.identity_limit) as is_within,
      sites.identity_set_limit
    from candidates
    join sites on sites.site_id = candidates.site_id
  ),

  judged as (
    select placed.*,
      case placed.correction
        when 'merge' then true
        when 'sever' then false
        else placed.is_within and count(*) filter (where placed.is_within) over (
          partition by placed.site_id, placed.other_id, placed.correction
          order by placed.at, placed.sequence, placed.touchpoint_id, placed.type collate "C", placed.value collate "C"
        ) < placed.identity_set_limit
      end as is_accepted
    from placed
  ),

  changed as (
    insert into identity_links
    select judged.site_id, judged.identity_id, judged.other_id, judged.kind, judged.cause, judged.type, judged.value,
      judged.other_type, judged.other_value, judged.at, judged.sequence, judged.touchpoint_id,
      case when judged.is_accepted then 'accepted' else 'refused' end,
      case when not judged.is_accepted then case judged.correction when 'sever' then 'severed' else 'limit' end end
    from judged
    on conflict (site_id, identity_id, other_id) do update set state = excluded.state, reason = excluded.reason
    where (identity_links.state, identity_links.reason) is distinct from (excluded.state, excluded.reason)
    returning identity_links.site_id, identity_links.identity_id, identity_links.other_id
  ),

  -- A link not judged before is its touchpoint's, whose identity is at hand.
  others as (
    insert into work_identities as known (site_id, identity_id, is_replayed)
    select distinct changed.site_id, changed.identity_id, true
    from changed
    join judged
      on judged.site_id = changed.site_id and judged.identity_id = changed.identity_id and judged.other_id = changed.other_id
    where judged.state = 'accepted' or judged.reason is not null
    on conflict (site_id, identity_id) do update set is_replayed = true, is_steady = false
  )

  insert into work_unsettled
  select joined.site_id, joined.identity_id
  from (
    select changed.site_id, changed.identity_id from changed
    union
    select work_link_changes.site_id, work_link_changes.identity_id from work_link_changes where work_link_changes.kind = 'join'
  ) as joined
  on conflict do nothing;
end
$$;

-- Joins told otherwise than by a touchpoint of the identity, which therefore has to be looked at from the beginning.
create or replace function store.mark_told_joins() returns void
language plpgsql
as $$
begin
  insert into work_identities as known (site_id, identity_id, is_replayed)
  select distinct work_link_changes.site_id, work_link_changes.identity_id, true
  from work_link_changes
  where work_link_changes.kind = 'join' and (work_link_changes.cause = 'alias' or work_link_changes.is_corrected)
  on conflict (site_id, identity_id) do update set is_replayed = true, is_steady = false;
end
$$;
