create view journey.rates as
select
  rates.site_id,
  rates.day,
  rates.currency,
  rates.rate
from store.rates;

comment on view journey.rates is
  'One row per day and currency: the exchange rates that amounts in other currencies than the site''s are converted by.';
comment on column journey.rates.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.rates.day is 'The day it was published for.';
comment on column journey.rates.currency is 'ISO 4217.';
comment on column journey.rates.rate is
  'How much of it one unit of the day''s base was worth; the base itself has 1. The ECB''s base is EUR.';
