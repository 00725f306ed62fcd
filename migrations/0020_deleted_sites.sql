-- Numbers of deleted sites are never given again: what still comes for one must not be taken for another's.
create table store.deleted_sites (
  site_id integer primary key,
  name text not null,
  deleted_at timestamptz not null default now()
);
comment on table store.deleted_sites is 'One row per site that was deleted. Whatever else is of it is removed, also what comes later.';
