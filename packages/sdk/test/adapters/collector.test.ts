import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { snippet } from '../../src/snippet.ts';
import { builtSdk } from '../support/built.ts';
import { runCollector } from '../support/collector.ts';
import { usePages } from '../support/pages.ts';
import { until } from '../support/visit.ts';

// the whole way: a shop that has a tag manager and Segment pastes the loader and writes no other code

const pages = usePages('');
let collector: Awaited<ReturnType<typeof runCollector>>;
let dist: string;
beforeAll(async () => {
  [collector, dist] = await Promise.all([runCollector(), builtSdk()]);
}, 120_000);
afterAll(() => collector.end());

test('orders told to Google and to Segment are stored as purchases in the same words', async () => {
  pages.files.set('/milepost.full.js', readFileSync(join(dist, 'milepost.full.js'), 'utf8'));
  const loader = snippet({
    script: '/milepost.full.js',
    writeKey: collector.writeKey,
    host: collector.url,
    auto: { datalayer: true, segment: true },
  });
  await pages.open(`<script>
      window.dataLayer = window.dataLayer || [];
      function gtag() { dataLayer.push(arguments); }
      gtag('js', new Date());
      gtag('config', 'G-1', { user_id: 'u1' });
    </script>
    ${loader}
    <script>
      analytics = [];
      analytics.track = function () { analytics.push(['track'].concat([].slice.call(arguments))); };
      gtag('event', 'purchase', { transaction_id: 'o-1', currency: 'EUR', value: 19, items: [{ item_id: 'SKU1', price: 9.5, quantity: 2 }] });
      dataLayer.push({ ecommerce: null });
      dataLayer.push({ event: 'purchase', ecommerce: { transaction_id: 'o-2', currency: 'EUR', value: '20', items: [] } });
      analytics.track('Order Completed', { order_id: 'o-3', currency: 'EUR', revenue: 21, products: [{ product_id: 'SKU1', price: 9.5 }] });
    </script>`);
  const stored = async () => {
    const { rows } = await collector.pool.query<{
      id: string;
      value: string;
      item: string | null;
      user_id: string;
    }>(
      `select properties ->> 'transaction_id' as id, properties ->> 'value' as value,
         properties #>> '{items,0,item_id}' as item, user_id
       from store.touchpoints where site_id = $1 and name = 'purchase' order by id`,
      [collector.siteId],
    );
    return rows;
  };
  await until('three purchases', async () => (await stored()).length >= 3);
  expect(await stored()).toEqual([
    { id: 'o-1', value: '19', item: 'SKU1', user_id: 'u1' },
    { id: 'o-2', value: '20', item: null, user_id: 'u1' },
    { id: 'o-3', value: '21', item: 'SKU1', user_id: 'u1' },
  ]);
  const { rows } = await collector.pool.query<{ name: string; count: number }>(
    `select name, count(*)::integer as count from store.touchpoints where site_id = $1 group by name order by name`,
    [collector.siteId],
  );
  expect(rows).toMatchObject([
    { name: 'identify', count: 1 },
    { name: 'page_view', count: 1 },
    { name: 'purchase', count: 3 },
  ]);
});
