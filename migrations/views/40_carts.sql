create view journey.carts as
select
  carts.site_id,
  carts.cart_key,
  carts.cart_id,
  carts.person_id,
  carts.state,
  carts.opened_at,
  carts.last_activity_at,
  carts.abandoned_at,
  carts.first_abandoned_at,
  carts.abandonment_count,
  (array['cart', 'checkout', 'shipping', 'payment'])[carts.furthest_step] as furthest_step,
  carts.item_count,
  carts.value,
  carts.currency,
  carts.order_id,
  carts.closed_at,
  case when carts.abandoned_at is not null then case when carts.furthest_step >= 2 then 'checkout' else 'cart' end end as tier,
  carts.recovery_url,
  persons.user_id,
  coalesce((
    select jsonb_agg(entries.line order by entries.key)
    from jsonb_each(carts.lines) as entries (key, line)
  ), '[]'::jsonb) as lines,
  carts.unconverted_line_count
from store.carts
left join store.persons on persons.site_id = carts.site_id and persons.person_id = carts.person_id;

comment on view journey.carts is
  'One row per cart: site, person, cart id and round. It outlives sessions and devices.';
comment on column journey.carts.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.carts.cart_key is 'The id of its opening touchpoint.';
comment on column journey.carts.cart_id is 'The shop''s own id; null for the person''s implicit cart.';
comment on column journey.carts.person_id is 'Whose cart it is.';
comment on column journey.carts.state is
  'open, abandoned, purchased, recovered, self_recovered, emptied or expired, at the site''s as_of.';
comment on column journey.carts.opened_at is 'When it opened.';
comment on column journey.carts.last_activity_at is 'Last cart or checkout touchpoint.';
comment on column journey.carts.abandoned_at is 'The last abandonment; null while never abandoned.';
comment on column journey.carts.first_abandoned_at is 'The first abandonment.';
comment on column journey.carts.abandonment_count is 'How often it was abandoned.';
comment on column journey.carts.furthest_step is 'cart, checkout, shipping or payment.';
comment on column journey.carts.item_count is 'Sum of the quantities.';
comment on column journey.carts.value is
  'Sum of quantity times price; lines in another currency by the rate of the day of its last activity. Null without a rate.';
comment on column journey.carts.currency is 'ISO 4217.';
comment on column journey.carts.order_id is 'The order that bought it.';
comment on column journey.carts.closed_at is 'When it was bought, emptied or expired.';
comment on column journey.carts.tier is 'checkout if the checkout was reached, else cart; null while never abandoned.';
comment on column journey.carts.recovery_url is 'Where the shop said the cart can be taken up again.';
comment on column journey.carts.user_id is 'The person''s user id.';
comment on column journey.carts.lines is 'Its lines: item_id, item_variant, item_name, quantity, price, currency.';
comment on column journey.carts.unconverted_line_count is
  'Lines in another currency without a rate: while there is one, the cart has no value.';
