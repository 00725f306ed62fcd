/** Money in several currencies: exchange rates, and what is converted by them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SiteSettings } from '../../src/database/sites.ts';
import { importRates } from '../../src/rates/import.ts';
import { readRates } from '../../src/rates/read.ts';
import { day } from '../reference/inputs.ts';
import { database, useSite } from './fixture.ts';
import { type Given, makeSite, removeSite, type Site, storeGiven } from './given.ts';
import { choices, deliveryOf, history, someSettings } from './histories.ts';
import { expectAsReference, expectVerified, textOfViews } from './views.ts';
import { propertyRuns } from '../support/properties.ts';

const { given, rowsOf, siteId } = useSite();

/** A touchpoint of Ada's at a time of January 2026, as `05 10:00`. */
function on(time: string, name: string, properties: Given['properties'] = {}): Given {
  return { anonymous_id: 'ada', at: `2026-01-${time.replace(' ', 'T')}Z`, name, properties };
}

const server: Partial<Given> = { source: 'server', is_trusted: true };
const o1 = { transaction_id: 'o1' };
const inDollars = { ...o1, value: 110, currency: 'USD' };

/** Rates of days of January 2026, a row a day. */
function january(header: string, ...rows: string[]): string {
  return [`Date,${header}`, ...rows.map((row) => `2026-01-${row}`)].join('\n');
}

async function one(view: string) {
  const rows = await rowsOf(view);
  expect(rows).toHaveLength(1);
  return rows[0]!;
}

describe('the site-currency amounts stand beside gross, refunded and net by the rate of the order’s day', () => {
  test('an order of the site’s own currency needs none', async () => {
    await given.touchpoints([on('05 10:00', 'purchase', { ...o1, value: 110, currency: 'EUR' })]);
    expect(await one('orders')).toMatchObject({
      gross_site: 110,
      refunded_site: 0,
      net_site: 110,
      site_rate: 1,
    });
  });

  test('another currency goes through the base', async () => {
    await given.settings({ currency: 'GBP' });
    await given.rates(january('USD,GBP', '05,1.1,0.88'));
    await given.touchpoints([on('05 10:00', 'purchase', inDollars)]);
    expect(await one('orders')).toMatchObject({
      gross: 110,
      currency: 'USD',
      gross_site: 88,
      site_rate: 0.8,
    });
  });

  test('the base itself is one of the currencies', async () => {
    await given.settings({ currency: 'USD' });
    await given.rates(january('USD', '05,1.1'));
    await given.touchpoints([on('05 10:00', 'purchase', { ...o1, value: 10, currency: 'EUR' })]);
    expect(await one('orders')).toMatchObject({ gross_site: 11 });
  });

  test('refunds too, on whatever day they are', async () => {
    await given.rates(january('USD', '05,1.1', '06,2.2', '07,2.2'));
    await given.touchpoints([
      on('05 10:00', 'purchase', inDollars),
      { ...on('06 10:00', 'refund', { ...o1, value: 11 }), ...server },
      { ...on('07 10:00', 'refund', { ...o1, value: 22 }), ...server },
    ]);
    expect(await one('orders')).toMatchObject({
      gross_site: 100,
      refunded: 33,
      refunded_site: 30,
      net_site: 70,
    });
    expect(await rowsOf('conversion_metrics')).toMatchObject(
      [
        { day: '2026-01-05', revenue: 100, refunded: 0 },
        { day: '2026-01-06', revenue: 0, refunded: 10 },
        { day: '2026-01-07', revenue: 0, refunded: 20 },
      ].map((row) => expect.objectContaining(row) as unknown),
    );
  });

  test('are kept to six decimals, and what is refunded in parts comes to the whole', async () => {
    await given.rates(january('USD', '05,3'));
    await given.touchpoints([
      on('05 10:00', 'purchase', { ...o1, value: 1, currency: 'USD' }),
      { ...on('05 11:00', 'refund', { ...o1, value: 0.5 }), ...server },
      { ...on('05 12:00', 'refund', { ...o1, value: 0.25 }), ...server },
      { ...on('05 13:00', 'order_cancelled', o1), ...server },
    ]);
    expect(await one('orders')).toMatchObject({ gross_site: 0.333333, refunded_site: 0.333333, net_site: 0 });
    expect(await one('conversion_metrics')).toMatchObject({
      revenue: 0.333333,
      refunded: 0.333333,
      net_revenue: 0,
    });
    expect(await one('persons')).toMatchObject({ net_revenue: 0 });
  });

  test('the day is that of the site’s time zone', async () => {
    await given.settings({ time_zone: 'Asia/Tokyo' });
    await given.rates(january('USD', '05,1.1', '06,2.2'));
    await given.touchpoints([on('05 15:00', 'purchase', inDollars)]); // midnight in Tokyo
    expect(await one('orders')).toMatchObject({ gross_site: 50 });
  });

  test('a day without a rate has the latest one before', async () => {
    await given.rates(january('USD', '04,2.2', '05,1.1', '11,5.5'));
    await given.touchpoints([on('10 10:00', 'purchase', inDollars)]);
    expect(await one('orders')).toMatchObject({ gross_site: 100 });
  });

  test('which has both currencies', async () => {
    await given.settings({ currency: 'GBP' });
    await given.rates(january('USD,GBP', '05,1.1,0.88', '06,1.2,N/A', '07,N/A,0.9'));
    await given.touchpoints([on('07 10:00', 'purchase', inDollars)]);
    expect(await one('orders')).toMatchObject({ gross_site: 88 });
  });

  test.each([
    { day: '12', gross_site: 100, days: 'seven' },
    { day: '13', gross_site: null, days: 'eight' },
  ])('$days days back: $gross_site', async ({ day, gross_site }) => {
    await given.rates(january('USD', '05,1.1'));
    await given.touchpoints([on(`${day} 23:59`, 'purchase', inDollars)]);
    expect(await one('orders')).toMatchObject({ gross_site });
  });

  test('null and counted when the rate is missing', async () => {
    await given.touchpoints([
      on('05 10:00', 'purchase', inDollars),
      on('05 10:01', 'purchase', { transaction_id: 'o2', value: 7 }),
      { ...on('05 11:00', 'refund', { ...o1, value: 11 }), ...server },
    ]);
    expect(await rowsOf('orders')).toContainEqual(
      expect.objectContaining({
        gross: 110,
        gross_site: null,
        refunded_site: null,
        net_site: null,
        site_rate: null,
      }),
    );
    expect(await one('persons')).toMatchObject({
      order_count: 2,
      net_revenue: 7,
      unconverted_order_count: 1,
    });
    expect(await one('conversion_metrics')).toMatchObject({
      orders: 2,
      revenue: 7,
      refunded: 0,
      unconverted_orders: 1,
    });
  });
});

describe('lines of a cart in another currency', () => {
  const inCurrency = (time: string, currency: string, id: string, price: number) =>
    on(time, 'add_to_cart', { currency, items: [{ item_id: id, price, quantity: 2 }] });

  test('are converted by the day’s rate', async () => {
    await given.rates(january('USD,CHF', '05,1.1,0.9'));
    await given.touchpoints([
      inCurrency('05 10:00', 'USD', 'boots', 11),
      inCurrency('05 10:01', 'CHF', 'cap', 9),
      inCurrency('05 10:02', 'EUR', 'sock', 3),
    ]);
    expect(await one('carts')).toMatchObject({ currency: 'EUR', value: 46, unconverted_line_count: 0 });
  });

  test('the day is that of the cart’s last activity', async () => {
    await given.rates(january('USD', '05,1.1', '06,2.2'));
    await given.touchpoints([
      inCurrency('05 10:00', 'USD', 'boots', 11),
      inCurrency('05 10:01', 'EUR', 'sock', 3),
    ]);
    expect(await one('carts')).toMatchObject({ value: 26 });
    await given.touchpoints([on('06 10:00', 'add_shipping_info')]);
    expect(await one('carts')).toMatchObject({ value: 16 });
  });

  test('else the value is null and they are counted', async () => {
    await given.rates(january('CHF', '05,0.9'));
    await given.touchpoints([
      inCurrency('05 10:00', 'USD', 'boots', 11),
      inCurrency('05 10:01', 'CHF', 'cap', 9),
      inCurrency('05 10:02', 'EUR', 'sock', 3),
    ]);
    expect(await one('carts')).toMatchObject({ value: null, unconverted_line_count: 1 });
  });

  test('need no rate to the site’s currency', async () => {
    await given.settings({ currency: 'SEK' });
    await given.rates(january('USD', '05,1.1'));
    await given.touchpoints([
      inCurrency('05 10:00', 'USD', 'boots', 11),
      inCurrency('05 10:01', 'EUR', 'sock', 3),
    ]);
    expect(await one('carts')).toMatchObject({ currency: 'EUR', value: 26 });
  });
});

describe('rates that come later', () => {
  test('convert what was unconverted', async () => {
    await given.touchpoints([
      on('05 10:00', 'purchase', inDollars),
      { ...on('06 11:00', 'refund', { ...o1, value: 11 }), ...server },
      on('06 10:00', 'add_to_cart', { currency: 'USD', items: [{ item_id: 'boots', price: 11 }] }),
      on('06 10:01', 'add_to_cart', { currency: 'EUR', items: [{ item_id: 'sock', price: 3 }] }),
    ]);
    expect(await given.rates(january('USD', '05,1.1'))).toEqual({ days: 1, rates: 1, changed_days: 1 });
    expect(await one('orders')).toMatchObject({ gross_site: 100, net_site: 90 });
    expect(await one('persons')).toMatchObject({ net_revenue: 90, unconverted_order_count: 0 });
    expect(await one('carts')).toMatchObject({ value: 13 });
    expect(await rowsOf('conversion_metrics')).toMatchObject(
      [
        { day: '2026-01-05', revenue: 100, unconverted_orders: 0 },
        { day: '2026-01-06', refunded: 10 },
      ].map((row) => expect.objectContaining(row) as unknown),
    );
    await expectVerified(database.pool);
  });

  test('importing a day again replaces it: what it no longer has is missing', async () => {
    await given.rates(january('USD,CHF', '05,1.1,0.9'));
    await given.touchpoints([
      on('05 10:00', 'purchase', inDollars),
      on('05 11:00', 'purchase', { value: 9, currency: 'CHF' }),
    ]);
    await given.rates(january('USD', '05,2.2'));
    expect(await rowsOf('rates')).toHaveLength(2);
    expect(await one('persons')).toMatchObject({ net_revenue: 50, unconverted_order_count: 1 });
    await expectVerified(database.pool);
  });

  test('a day that comes again as it was changes nothing', async () => {
    const table = january('USD', '05,1.1', '06,1.2');
    await given.rates(table);
    expect(await given.rates(table)).toEqual({ days: 2, rates: 2, changed_days: 0 });
    const { rows } = await database.pool.query('select from store.rate_changes');
    expect(rows).toEqual([]);
  });

  test('the feed tells of carts whose value is another, as of an import', async () => {
    await given.touchpoints([
      on('06 10:00', 'add_to_cart', { currency: 'USD', items: [{ item_id: 'boots', price: 11 }] }),
      on('06 10:01', 'add_to_cart', { currency: 'EUR', items: [{ item_id: 'sock', price: 3 }] }),
      on('06 10:02', 'purchase', inDollars),
    ]);
    const feed = async () =>
      (await database.pool.query('select * from journey.changes order by cursor')).rows;
    const before = await feed();
    await given.rates(january('USD', '05,1.1'));
    expect((await feed()).slice(before.length)).toMatchObject([
      { type: 'cart.changed', origin: 'import', after: { value: 13 } },
    ]);
  });

  test('go through what they change in steps, between which the old amounts can be read', async () => {
    const orders = Array.from({ length: 5 }, (_, hour) =>
      on(`05 1${hour}:00`, 'purchase', { transaction_id: `o${hour}`, value: 11, currency: 'USD' }),
    );
    await given.touchpoints(orders);
    await importRates(database.pool, { siteId: siteId(), table: readRates(january('USD', '05,1.1')) });
    const netRevenues: unknown[] = [];
    const client = await database.session();
    try {
      const isDone = async () =>
        (await client.query<{ done: boolean }>('select store.derive_rate_changes(2, true) as done')).rows[0]!
          .done;
      while (await isDone()) netRevenues.push((await one('persons'))['net_revenue']);
    } finally {
      await client.end();
    }
    expect(netRevenues).toEqual([20, 40, 50, 50]);
    await expectVerified(database.pool);
  });
});

const { runs, timeout } = propertyRuns();

/** Rates of a day near that of a touchpoint; null = none. */
const dayOfRates = fc.record({
  touchpoint: fc.nat({ max: 1_000 }),
  back: fc.nat({ max: 9 }),
  dollar: fc.constantFrom('1.1', '0.9', '3', '1', null),
});

/** Imports of rates, before the part of the touchpoints at that position. */
const someImports = fc.array(
  fc.record({
    position: fc.nat({ max: 1_000 }),
    days: fc.array(dayOfRates, { minLength: 1, maxLength: 8 }),
  }),
  { minLength: 1, maxLength: 4 },
);

/** A table in which a day may come several times: the last says it. */
function tableNear(
  touchpoints: Given[],
  days: { touchpoint: number; back: number; dollar: string | null }[],
) {
  const told = days.map(({ touchpoint, back, dollar }) => {
    const at = Number(touchpoints[touchpoint % touchpoints.length]!.at) - back * day;
    return [new Date(at).toISOString().slice(0, 10), { USD: dollar, CHF: '0.95' }] as const;
  });
  return readRates(JSON.stringify({ rates: Object.fromEntries(told) }));
}

async function withSite<Result>(
  settings: SiteSettings,
  use: (site: Site) => Promise<Result>,
): Promise<Result> {
  const site = await makeSite(database.pool, settings);
  try {
    return await use(site);
  } finally {
    await removeSite(database.pool, site);
  }
}

test(
  'rates that come at any time, and again, give what they would have given from the start',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        history(25),
        someSettings,
        choices,
        someImports,
        async (touchpoints, settings, how, imports) => {
          const { parts, instants } = deliveryOf(touchpoints, how);
          const asOf = Math.max(...instants, ...touchpoints.map(({ at }) => Number(at)));
          const scattered = await withSite(settings, async (site) => {
            for (const [index, part] of parts.entries()) {
              await storeGiven(database.pool, site, part);
              for (const { days } of imports.filter(({ position }) => position % parts.length === index)) {
                await importRates(database.pool, { ...site, table: tableNear(touchpoints, days) });
              }
              await database.derive(instants[index]!);
            }
            await database.derive(asOf);
            await expectAsReference(database.pool, site, asOf);
            await expectVerified(database.pool);
            const { rows: rates } = await database.pool.query(
              'select day::text, currency, rate::text from store.rates where site_id = $1',
              [site.siteId],
            );
            return { views: await textOfViews(database.pool, site), rates };
          });
          const fromTheStart = await withSite(settings, async (site) => {
            const table = readRates(JSON.stringify(scattered.rates));
            await importRates(database.pool, { ...site, table });
            await storeGiven(database.pool, site, touchpoints);
            await database.derive(asOf);
            return textOfViews(database.pool, site);
          });
          expect(scattered.views).toEqual(fromTheStart);
        },
      ),
      runs,
    );
  },
  timeout,
);
