import type { Pool } from 'pg';

/** A site in the page's list of sites. */
export type Site = { site_id: number; name: string; currency: string };

export type StageCount = { stage: string; persons: number; customers: number };
export type CartCount = { state: string; currency: string | null; carts: number; value: string | null };
export type Cart = {
  cart_key: string;
  person_id: string;
  state: string;
  furthest_step: string;
  item_count: number;
  value: string | null;
  currency: string | null;
  last_activity_at: Date;
};
export type Freshness = { name: string; newest_touchpoint_at: Date | null; lag_seconds: number | null };
export type Orders = { orders: number; net: string | null };

/** What the page shows beside the touchpoints: everything is read from derived rows, none of it scans touchpoints. */
export type Figures = {
  stages: StageCount[];
  cartCounts: CartCount[];
  carts: Cart[];
  /** Of the last 24 hours, in the site's currency. */
  orders: Orders;
  freshness: Freshness[];
};

/** Every site of this collector, oldest first: an operator sees them all. */
export async function sitesOf(pool: Pool): Promise<Site[]> {
  const { rows } = await pool.query<Site>('select site_id, name, currency from store.sites order by site_id');
  return rows;
}

/** Reads the figures of one site. */
export async function figuresOf(pool: Pool, siteId: number): Promise<Figures> {
  const rowsOf = async <Row extends object>(query: string) => (await pool.query<Row>(query, [siteId])).rows;
  const [stages, cartCounts, carts, orders, freshness] = await Promise.all([
    rowsOf<StageCount>(stagesQuery),
    rowsOf<CartCount>(cartCountsQuery),
    rowsOf<Cart>(cartsQuery),
    rowsOf<Orders>(ordersQuery),
    rowsOf<Freshness>(freshnessQuery),
  ]);
  return { stages, cartCounts, carts, orders: orders[0] ?? { orders: 0, net: null }, freshness };
}

const stagesQuery = `
  with persons_by_stage as (
    select
      stage,
      count(*)::integer as persons,
      (count(*) filter (where is_customer))::integer as customers
    from journey.current_stages
    where site_id = $1
    group by stage
  )

  select
    stages.stage,
    coalesce(persons_by_stage.persons, 0) as persons,
    coalesce(persons_by_stage.customers, 0) as customers
  from journey.stages
  left join persons_by_stage on persons_by_stage.stage = stages.stage
  where stages.site_id = $1
  order by stages.position`;

const cartCountsQuery = `
  select state, currency, count(*)::integer as carts, sum(value) as value
  from journey.carts
  where site_id = $1 and state in ('open', 'abandoned')
  group by state, currency
  order by count(*) desc`;

const cartsQuery = `
  select cart_key, person_id, state, furthest_step, item_count::float8 as item_count, value, currency, last_activity_at
  from journey.carts
  where site_id = $1 and state in ('open', 'abandoned')
  order by last_activity_at desc
  limit 10`;

const ordersQuery = `
  select count(*)::integer as orders, sum(net_site) as net
  from journey.orders
  where site_id = $1 and occurred_at >= now() - interval '24 hours'`;

const freshnessQuery = `
  select name, newest_touchpoint_at, lag_seconds::float8 as lag_seconds
  from journey.freshness
  where site_id = $1
  order by name`;
