-- A change of a site's channel rules derives it again behind its old answers, as a change of any setting.

alter table store.sites add column channels_version integer not null default 0;
comment on column store.sites.channels_version is
  'Which of its channel rules the site''s rows are derived by: counts up with each change, once the site is derived again.';
