create view journey.abandoned_carts as
select
  carts.site_id,
  carts.cart_key,
  carts.cart_id,
  carts.person_id,
  persons.user_id,
  '{}'::jsonb as contacts,
  coalesce((
    select jsonb_agg(entries.line order by entries.key)
    from jsonb_each(carts.lines) as entries (key, line)
  ), '[]'::jsonb) as lines,
  carts.value,
  carts.currency,
  carts.abandoned_at,
  case when carts.furthest_step >= 2 then 'checkout' else 'cart' end as tier,
  (array['cart', 'checkout', 'shipping', 'payment'])[carts.furthest_step] as furthest_step,
  coalesce(retained_carts.channel, opening.channel) as channel,
  carts.recovery_url,
  carts.item_count
from store.carts
left join store.persons on persons.site_id = carts.site_id and persons.person_id = carts.person_id
left join lateral (
  select touchpoints.channel
  from journey.touchpoints
  where touchpoints.site_id = carts.site_id and touchpoints.touchpoint_id = carts.cart_key
) as opening on true
left join store.retained_carts on retained_carts.site_id = carts.site_id and retained_carts.cart_key = carts.cart_key
where carts.state = 'abandoned';

comment on view journey.abandoned_carts is
  'One row per cart that is abandoned at the site''s as_of: the list for recovery.';
comment on column journey.abandoned_carts.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.abandoned_carts.cart_key is 'The id of its opening touchpoint.';
comment on column journey.abandoned_carts.cart_id is 'The shop''s own id.';
comment on column journey.abandoned_carts.person_id is 'Whose cart it is.';
comment on column journey.abandoned_carts.user_id is 'The person''s user id.';
comment on column journey.abandoned_carts.contacts is 'Plain contacts; empty unless the site keeps them.';
comment on column journey.abandoned_carts.lines is
  'Its lines: item_id, item_variant, item_name, quantity, price, currency.';
comment on column journey.abandoned_carts.value is 'Sum of quantity times price; null while a line cannot be converted.';
comment on column journey.abandoned_carts.currency is 'ISO 4217.';
comment on column journey.abandoned_carts.abandoned_at is 'When it was abandoned.';
comment on column journey.abandoned_carts.tier is 'checkout if the checkout was reached, else cart.';
comment on column journey.abandoned_carts.furthest_step is 'cart, checkout, shipping or payment.';
comment on column journey.abandoned_carts.channel is 'Channel of the touchpoint that opened it.';
comment on column journey.abandoned_carts.recovery_url is 'Where the shop said the cart can be taken up again.';
comment on column journey.abandoned_carts.item_count is 'Sum of the quantities.';
