-- Rates over a range of days are made from person-day rows: a person who came on two days counts once.
create function journey.conversion_rate(site integer, from_day date, to_day date) returns numeric
language sql stable security definer
set search_path = store, pg_temp
return (
  select
    count(distinct person_days.person_id) filter (where person_days.primary_conversions > 0)::numeric
    / nullif(count(distinct person_days.person_id) filter (
      where person_days.sessions > 0 or person_days.conversions > 0 or person_days.orders > 0), 0)
  from store.person_days
  where person_days.site_id = conversion_rate.site
    and person_days.day between conversion_rate.from_day and conversion_rate.to_day
);
comment on function journey.conversion_rate(integer, date, date) is
  'Converting persons by persons, between 0 and 1, from one day to another, both included; null without persons.';
