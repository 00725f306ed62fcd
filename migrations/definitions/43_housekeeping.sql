-- Drops rejected events and counts that are older than their site keeps them, at most `row_limit` a site and table. Answers
-- how many.
create or replace function store.drop_old_rejects(now timestamptz, row_limit integer) returns bigint
language plpgsql
as $$
declare
  of_site record;
  gone bigint;
  dropped bigint := 0;
begin
  for of_site in
    select sites.site_id, sites.rejected_kept, sites.counters_kept from store.sites
  loop
    delete from store.rejected_events
    where rejected_events.ctid = any (array(
      select rejected_events.ctid
      from store.rejected_events
      where rejected_events.site_id = of_site.site_id and rejected_events.received_at < now - of_site.rejected_kept
      order by rejected_events.received_at
      limit row_limit
    ));
    get diagnostics gone = row_count;
    dropped := dropped + gone;

    delete from store.counters
    where counters.ctid = any (array(
      select counters.ctid
      from store.counters
      where counters.site_id = of_site.site_id and counters.day < (now - of_site.counters_kept) at time zone 'UTC'
      limit row_limit
    ));
    get diagnostics gone = row_count;
    dropped := dropped + gone;
  end loop;
  return dropped;
end
$$;
