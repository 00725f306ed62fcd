-- Corrections (SEMANTICS 3): pairs of identities that somebody merged or severed by hand. They are inputs, derived at once,
-- and go the way of every other link. Run in a deriver's session.

-- Puts the latest word on each pair into the links: all of a site's, or those about some identities.
create or replace function store.take_corrections(the_site integer, identities uuid[]) returns void
language plpgsql
set enable_seqscan = on set enable_hashjoin = on
as $$
begin
  with latest as (
    select distinct on (corrections.identity_id, corrections.other_id) corrections.*
    from store.identity_corrections as corrections
    where corrections.site_id = the_site
      and (take_corrections.identities is null or corrections.identity_id = any (take_corrections.identities)
        or corrections.other_id = any (take_corrections.identities))
    order by corrections.identity_id, corrections.other_id, corrections.corrected_at desc, corrections.correction_id desc
  ),

  taken as (
    insert into identity_links (site_id, identity_id, other_id, kind, cause, type, value, other_type, other_value,
      at, sequence, touchpoint_id, state, correction, corrected_at)
    select latest.site_id, latest.identity_id, latest.other_id, latest.kind, 'manual', latest.type, latest.value,
      latest.other_type, latest.other_value, 'infinity', 0, '00000000-0000-0000-0000-000000000000', 'refused',
      latest.correction, latest.corrected_at
    from latest
    on conflict (site_id, identity_id, other_id) do update set
      correction = excluded.correction, corrected_at = excluded.corrected_at
    where (identity_links.correction, identity_links.corrected_at)
      is distinct from (excluded.correction, excluded.corrected_at)
    returning identity_links.site_id, identity_links.identity_id, identity_links.other_id, identity_links.kind
  )

  insert into work_link_changes
  select taken.site_id, taken.identity_id, taken.other_id, taken.kind, 'manual', true from taken;
end
$$;

-- Keeps words on pairs, `[{kind, type, value, other_type, other_value, correction}]`, and derives what follows from them.
-- Each word of a site is later than the one before it, unless its instant is given.
create or replace function store.put_corrections(
  site integer, words jsonb, author text, note text, at timestamptz default null
) returns timestamptz
language plpgsql
as $$
declare
  said_at timestamptz;
  at_hand uuid[];
begin
  perform store.lock_site(site);
  perform store.clear_work_tables();
  perform store.load_work_sites(array[site]);
  said_at := coalesce(put_corrections.at, greatest(
    date_trunc('milliseconds', clock_timestamp()),
    (select max(known.corrected_at) + interval '1 millisecond' from store.identity_corrections as known
      where known.site_id = site)
  ));

  with said as (
    insert into store.identity_corrections (site_id, identity_id, other_id, kind, type, value, other_type, other_value,
      correction, author, note, corrected_at)
    select site, store.identity_id(word.type, word.value), store.identity_id(word.other_type, word.other_value),
      word.kind, word.type, word.value, word.other_type, word.other_value, word.correction,
      put_corrections.author, put_corrections.note, said_at
    from jsonb_to_recordset(words) as word (
      kind text, type text, value text, other_type text, other_value text, correction text
    )
    returning identity_corrections.identity_id, identity_corrections.other_id
  )

  select array_agg(distinct ends.identity_id) into at_hand
  from said
  cross join lateral (values (said.identity_id), (said.other_id)) as ends (identity_id);

  perform store.note_former_persons(site, at_hand);
  perform store.take_corrections(site, at_hand);
  -- Where the site is being derived again, there too.
  insert into store.rederivation_notes (site_id, kind, id)
  select site, 'identities', concerned.identity_id
  from unnest(at_hand) as concerned (identity_id)
  where exists (
    select from store.rederivations where rederivations.site_id = site and rederivations.phase <> 'waiting'
  );
  perform store.derive_work();
  return said_at;
end
$$;

-- The ids that were given up for the persons at hand: a correction may give them back.
create or replace function store.note_former_persons(site integer, identities uuid[]) returns void
language plpgsql
as $$
begin
  insert into work_former_persons
  select distinct site, formers.former_person_id, formers.person_id
  from (
    select distinct owned.person_id
    from unnest(note_former_persons.identities) as concerned (identity_id)
    cross join lateral (
      select identities.person_id
      from identities
      where identities.site_id = site and identities.identity_id = concerned.identity_id
      offset 0
    ) as owned
  ) as owners
  cross join lateral (
    select identities.former_person_id, identities.person_id
    from identities
    where identities.site_id = site and identities.person_id = owners.person_id
      and identities.former_person_id is not null
    offset 0
  ) as formers
  where not exists (
    select from persons where persons.site_id = site and persons.person_id = formers.former_person_id
  );
end
$$;
