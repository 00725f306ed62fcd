-- What a site's own server signs user ids with. A browser that shows such a proof may read what is known of its user.

create table store.identity_secrets (
  site_id integer not null,
  secret_id uuid not null,
  -- the text itself, unlike keys: by a hash of it no proof could be checked. No view shows it.
  secret text not null check (length(secret) >= 32),
  created_at timestamptz not null default now(),
  -- null for the one in force; one that was followed by another holds until then
  expires_at timestamptz,
  primary key (site_id, secret_id)
);
comment on table store.identity_secrets is
  'One row per identity secret of a site that still holds: the one in force, and those it follows until they expire.';
