create view journey.cart_items as
select
  carts.site_id,
  carts.cart_key,
  carts.person_id,
  entries.line ->> 'item_id' as item_id,
  entries.line ->> 'item_variant' as item_variant,
  entries.line ->> 'item_name' as item_name,
  (entries.line ->> 'quantity')::numeric as quantity,
  (entries.line ->> 'price')::numeric as price,
  coalesce(entries.line ->> 'currency', carts.currency) as currency
from store.carts
cross join lateral jsonb_each(carts.lines) as entries (key, line);

comment on view journey.cart_items is
  'One row per line of a cart.';
comment on column journey.cart_items.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.cart_items.cart_key is 'The cart.';
comment on column journey.cart_items.person_id is 'Whose cart it is.';
comment on column journey.cart_items.item_id is 'Product id.';
comment on column journey.cart_items.item_variant is 'Variant, if any.';
comment on column journey.cart_items.item_name is 'Product name, if told.';
comment on column journey.cart_items.quantity is 'How many.';
comment on column journey.cart_items.price is 'Price of one.';
comment on column journey.cart_items.currency is 'ISO 4217.';
