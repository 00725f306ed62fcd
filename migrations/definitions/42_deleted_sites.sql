-- Deleting a site: first it is no site any more, then its rows go, a few thousand at a time.

-- Ends a site: its keys open nothing, and nobody derives it. Answers its name, null where there is none.
create or replace function store.end_site(site integer) returns text
language plpgsql
as $$
declare
  the_name text;
begin
  perform store.lock_site(site);
  delete from store.sites where sites.site_id = site returning sites.name into the_name;
  if the_name is null then
    return null;
  end if;
  delete from store.keys where keys.site_id = site;
  delete from store.identity_secrets where identity_secrets.site_id = site;
  insert into store.deleted_sites (site_id, name) values (site, the_name);
  execute format('drop schema if exists %I cascade', 'journey_site_' || site);
  return the_name;
end
$$;

-- Removes rows of a deleted site, at most `row_limit` a table, whatever tables there are. Answers how many; 0 when none is left.
create or replace function store.delete_site_rows(site integer, row_limit integer) returns bigint
language plpgsql
set enable_seqscan = on
as $$
declare
  place regclass;
  gone bigint;
  total bigint := 0;
begin
  if not exists (select from store.deleted_sites where deleted_sites.site_id = site) then
    raise exception 'site % is not a deleted one', site;
  end if;
  for place in
    select pg_class.oid::regclass
    from pg_class
    join pg_attribute on pg_attribute.attrelid = pg_class.oid and pg_attribute.attname = 'site_id' and not pg_attribute.attisdropped
    join pg_namespace on pg_namespace.oid = pg_class.relnamespace
    where pg_namespace.nspname in ('store', 'rebuild') and pg_class.relkind = 'r' -- with the partitions, one by one
      and pg_class.oid <> 'store.deleted_sites'::regclass
  loop
    execute format('delete from %1$s where ctid = any (array(select ctid from %1$s where site_id = $1 limit $2))', place)
      using site, row_limit;
    get diagnostics gone = row_count;
    total := total + gone;
  end loop;
  delete from store.models where models.model_name like site || '/%';
  delete from store.model_machines where model_machines.model_name like site || '/%';
  delete from store.model_rules where model_rules.model_name like site || '/%';
  return total;
end
$$;
