-- What signed links of a site (pixel, counted redirect) are signed with.

alter table store.sites
  add column link_secret bytea not null
    default sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea)
    check (length(link_secret) = 32);
comment on column store.sites.link_secret is
  'Signs the tokens of pixels and counted redirects. With another one, all links that were sent out are void.';
