-- Channels: longer lists of sources, rules of a site's own, hosts that are no referrer, and networks of a site's own people.

alter table store.source_categories
  add column name text,
  add column has_subdomains boolean not null default true;
comment on table store.source_categories is
  'Which kind of site a source is: a word, a host, or a host with {} for a country or an ending such as de or co.uk.';
comment on column store.source_categories.category is 'search, social, shopping, video, assistant, mail or payment (no referrer).';
comment on column store.source_categories.name is 'What a search engine is called as a source; null: by its host.';

alter table store.channel_rules
  add column source_pattern text,
  add column campaigns text[];
comment on table store.channel_rules is
  'Channel rules in order, first match wins. Site 0 holds the shipped ones, tried after those of the site itself.';

alter table store.sites
  add column excluded_referrers text[] not null default '{}',
  add column internal_networks text[] not null default '{}';
comment on column store.sites.excluded_referrers is
  'Hosts that are no referrer, with their subdomains, beside the shipped payment and sign-in hosts.';
comment on column store.sites.internal_networks is
  'Addresses and networks (CIDR) of the site''s own people: what a browser sends from there is internal.';
