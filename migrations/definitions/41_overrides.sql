-- Stages set by hand (SEMANTICS 6): inputs, derived at once. Run in a deriver's session.

-- Derives persons of a site anew from the beginning.
create or replace function store.derive_again(site integer, persons uuid[]) returns void
language plpgsql
as $$
begin
  perform store.lock_site(site);
  perform store.clear_work_tables();
  perform store.load_work_sites(array[site]);
  perform store.mark_replayed(array_fill(site, array[cardinality(derive_again.persons)]), derive_again.persons);
  perform store.derive_work();
end
$$;

-- Whose a touchpoint of an identity would be, came it first at an instant.
create or replace function store.person_at(site integer, identity uuid, at timestamptz) returns uuid
language plpgsql stable
as $$
begin
  return (
    select identities.person_id
    from identities
    where identities.site_id = person_at.site and identities.identity_id = person_at.identity
      and identities.from_at < person_at.at
    order by identities.spell desc
    limit 1
  );
end
$$;

create or replace function store.put_override(
  site integer, override uuid, identity uuid, stage text, from_at timestamptz, until_at timestamptz, author text, note text
) returns uuid
language plpgsql
as $$
declare
  person uuid;
begin
  perform store.lock_site(site);
  insert into store.overrides (site_id, override_id, identity_id, stage, from_at, until_at, author, note)
  values (site, override, identity, put_override.stage, put_override.from_at, put_override.until_at, put_override.author,
    put_override.note);
  person := store.person_at(site, identity, put_override.from_at);
  if person is not null then
    perform store.derive_again(site, array[person]);
  end if;
  return person;
end
$$;

-- Undoes an override. Answers whether there was one.
create or replace function store.delete_override(site integer, override uuid) returns boolean
language plpgsql
as $$
declare
  gone record;
  person uuid;
begin
  perform store.lock_site(site);
  delete from store.overrides
  where overrides.site_id = site and overrides.override_id = override
  returning overrides.identity_id, overrides.from_at into gone;
  if gone.identity_id is null then
    return false;
  end if;
  person := store.person_at(site, gone.identity_id, gone.from_at);
  if person is not null then
    perform store.derive_again(site, array[person]);
  end if;
  return true;
end
$$;
