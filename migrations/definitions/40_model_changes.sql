-- Changing a site's journey model behind its old answers: everybody is derived under the new version beside the live rows,
-- a thousand at a time while traffic goes on; whoever is derived meanwhile is done again; at last all switch at once.

-- Whoever was derived just now stands elsewhere under the new version too.
create or replace function store.forget_next_stages() returns void
language plpgsql
as $$
begin
  if exists (select from store.model_changes) and to_regclass('persons') = 'store.persons'::regclass then
    delete from store.next_stages
    using work_persons
    where next_stages.site_id = work_persons.site_id and next_stages.person_id = work_persons.person_id;
  end if;
end
$$;
