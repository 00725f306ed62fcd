-- What a touchpoint says of its person's membership in the account it names.

-- That the person is a member, or has left; null where it says nothing of it.
create or replace function store.membership_told(type text, name text, properties jsonb, traits jsonb) returns text
language sql immutable parallel safe
return case
  when name = 'account_removed_user' then 'left'
  when type = 'group' then case
    when coalesce(properties -> 'left', traits -> 'left') in ('true', '"true"')
      or coalesce(properties -> 'is_member', traits -> 'is_member') in ('false', '"false"') then 'left'
    else 'member' end
  when name = 'account_added_user' then 'member'
end;
