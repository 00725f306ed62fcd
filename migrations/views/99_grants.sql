comment on schema journey is 'The contract: views only, every one and every column commented.';

do $$
begin
  create role milepost_reader nologin;
exception
  when duplicate_object or unique_violation then null; -- roles belong to the whole cluster; another database made it
end
$$;
comment on role milepost_reader is 'May read schema journey and nothing else.';
grant usage on schema journey to milepost_reader;
grant select on all tables in schema journey to milepost_reader;
grant execute on all functions in schema journey to milepost_reader;
