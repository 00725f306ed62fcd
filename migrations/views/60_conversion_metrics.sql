create view journey.conversion_metrics as
select
  day_metrics.site_id,
  day_metrics.day,
  day_metrics.channel,
  nullif(day_metrics.source, '') as source,
  nullif(day_metrics.campaign, '') as campaign,
  nullif(day_metrics.device, '') as device,
  day_metrics.sessions,
  day_metrics.converting_sessions,
  day_metrics.persons,
  day_metrics.converting_persons,
  day_metrics.conversions,
  day_metrics.converting_persons::numeric / nullif(day_metrics.persons, 0) as conversion_rate,
  day_metrics.converting_sessions::numeric / nullif(day_metrics.sessions, 0) as session_conversion_rate,
  day_metrics.orders,
  day_metrics.revenue,
  day_metrics.refunded,
  trim_scale(day_metrics.revenue - day_metrics.refunded) as net_revenue,
  day_metrics.unconverted_orders,
  day_metrics.primary_conversions
from store.day_metrics;

comment on view journey.conversion_metrics is
  'One row per day of the session''s start in the site''s time zone, channel, source, campaign and device. Persons and rates are not additive: for ranges ask journey.conversion_rate.';
comment on column journey.conversion_metrics.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.conversion_metrics.day is 'Day in the site''s time zone.';
comment on column journey.conversion_metrics.channel is 'Channel of the sessions.';
comment on column journey.conversion_metrics.source is 'Source of the sessions; null for orders outside any.';
comment on column journey.conversion_metrics.campaign is 'Campaign of the sessions.';
comment on column journey.conversion_metrics.device is 'Device of the sessions; none for orders outside any.';
comment on column journey.conversion_metrics.sessions is 'Sessions begun.';
comment on column journey.conversion_metrics.converting_sessions is 'Sessions with a conversion of a primary goal.';
comment on column journey.conversion_metrics.persons is
  'Distinct persons of the sessions, conversions and orders.';
comment on column journey.conversion_metrics.converting_persons is
  'Distinct persons with a conversion of a primary goal.';
comment on column journey.conversion_metrics.conversions is 'Conversions of all goals.';
comment on column journey.conversion_metrics.conversion_rate is 'converting_persons by persons, between 0 and 1.';
comment on column journey.conversion_metrics.session_conversion_rate is
  'converting_sessions by sessions, between 0 and 1.';
comment on column journey.conversion_metrics.orders is 'Orders.';
comment on column journey.conversion_metrics.revenue is
  'Gross of the orders in the site''s currency, each by the rate of its day.';
comment on column journey.conversion_metrics.refunded is
  'Refunds that fell on this day, in the site''s currency by the rate of their order''s day.';
comment on column journey.conversion_metrics.net_revenue is 'revenue less refunded.';
comment on column journey.conversion_metrics.unconverted_orders is
  'Orders in another currency without a rate: not in revenue.';
comment on column journey.conversion_metrics.primary_conversions is 'Conversions of primary goals.';
