import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, runShop, type RunningShop } from './running.ts';

let shop: RunningShop;
beforeAll(async () => {
  shop = await runShop();
});
afterAll(() => shop.end());

const stages = async () => {
  const rows = await shop.rows<{ to_stage: string }>(
    'select to_stage from journey.stage_transitions where site_id = $1 order by occurred_at, transition_id',
  );
  return rows.map(({ to_stage }) => to_stage);
};
const carts = () =>
  shop.rows(
    `select state, item_count::integer, value::float8, currency, furthest_step, order_id is not null as is_ordered
     from journey.carts where site_id = $1 order by opened_at`,
  );

test('a walk through the shop ends as rows, each within about a second of its click', async () => {
  const { page, complaints, context } = await shop.visitor();
  const waits: number[] = [];
  const see = async (...expected: Parameters<typeof eventually>) => waits.push(await eventually(...expected));

  await page.goto('/shop');
  await see(stages, ['awareness', 'consideration']);

  await page.getByRole('link', { name: 'Rain jacket' }).click();
  await page.getByRole('button', { name: 'Add to cart' }).click();
  await see(stages, ['awareness', 'consideration', 'decision']);
  const cart = { item_count: 1, value: 159, currency: 'EUR', furthest_step: 'cart', is_ordered: false };
  await see(carts, [{ ...cart, state: 'open' }]);

  await page.getByRole('status').getByRole('link', { name: 'View the cart' }).click();
  await page.getByRole('button', { name: 'One more' }).click();
  await see(carts, [{ ...cart, state: 'open', item_count: 2, value: 318 }]);

  await page.getByRole('link', { name: 'To the checkout' }).click();
  await page.getByRole('button', { name: 'Fill in an example' }).click();
  await page.getByRole('button', { name: 'On to payment' }).click();
  await page.getByRole('button', { name: 'On to the last look' }).click();
  await see(carts, [{ ...cart, state: 'open', item_count: 2, value: 318, furthest_step: 'payment' }]);

  await page.getByRole('button', { name: 'Pay €318.00' }).click();
  await page.waitForURL('**/shop/thank-you');
  await see(stages, ['awareness', 'consideration', 'decision', 'purchase']);
  await see(carts, [
    { ...cart, state: 'purchased', item_count: 2, value: 318, furthest_step: 'payment', is_ordered: true },
  ]);
  const orderId = await page.locator('#order-id').textContent();
  expect(
    await shop.rows(
      'select order_id, gross::float8, net::float8, currency, channel from journey.orders where site_id = $1',
    ),
  ).toEqual([{ order_id: orderId, gross: 318, net: 318, currency: 'EUR', channel: 'Direct' }]);

  await page.getByRole('radio', { name: '8', exact: true }).check();
  await page.getByText('Thank you, that helps.').waitFor();

  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.locator('#sign-in').getByLabel('E-mail').fill('ada@wayside.example');
  await page.locator('#sign-in').getByLabel('Password').fill('three words here');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await see(stages, ['awareness', 'consideration', 'decision', 'purchase', 'retention']);

  await page.goto('/shop/products/rain-jacket#reviews');
  await page.getByRole('radio', { name: '5 stars' }).check();
  await page.getByLabel('What should others know?').fill('Dry for a week.');
  await page.getByRole('button', { name: 'Send the review' }).click();
  const way = ['awareness', 'consideration', 'decision', 'purchase', 'retention', 'advocacy'];
  await see(stages, way);

  // all of it is one person, whose past came along at the sign-in
  const persons = await shop.rows<{ person_id: string; user_id: string }>(
    `select person_id, user_id, first_channel, is_customer, customer_status, order_count::integer, net_revenue::float8
     from journey.persons where site_id = $1`,
  );
  expect(persons).toEqual([
    expect.objectContaining({
      user_id: expect.stringMatching(/^customer-[0-9a-f]{16}$/),
      first_channel: 'Direct',
      is_customer: true,
      customer_status: 'customer',
      order_count: 1,
      net_revenue: 318,
    }),
  ]);
  expect(
    await shop.rows(
      'select count(distinct person_id)::integer as persons from journey.touchpoints where site_id = $1',
    ),
  ).toEqual([{ persons: 1 }]);
  expect(
    await shop.rows(
      `select entry_page, channel, device, is_engaged, page_view_count::integer from journey.sessions where site_id = $1`,
    ),
  ).toEqual([
    {
      entry_page: expect.stringContaining('/shop'),
      channel: 'Direct',
      device: 'desktop',
      is_engaged: true,
      page_view_count: 7,
    },
  ]);

  const { user_id: userId = '', person_id: personId = '' } = persons[0] ?? {};
  expect(await shop.api(`/v1/persons?user_id=${userId}`)).toMatchObject({
    status: 200,
    body: { person_id: personId, user_id: userId, stage: 'advocacy' },
  });
  const transitions = await shop.api(`/v1/persons/${personId}/transitions`);
  expect(JSON.stringify(transitions.body)).toContain('advocacy');

  expect(
    await shop.rows(
      `select properties ->> 'score' as score from store.touchpoints where site_id = $1 and name = 'survey_answered'`,
    ),
  ).toEqual([{ score: '8' }]);
  expect(await shop.rows('select reason, detail from store.rejected_events where site_id = $1')).toEqual([]);
  expect(complaints).toEqual([]);
  const middle = waits.sort((one, other) => one - other)[Math.floor(waits.length / 2)];
  // a second on a machine with other work to do as well, as one that runs a test suite
  expect(middle).toBeLessThan(1_500);
  await context.close();
});

test('search, wishlist, sharing and a sign-out arrive as what they are', async () => {
  const { page, context, complaints } = await shop.visitor();
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto('/shop');
  await page.getByRole('searchbox', { name: 'Search the shop' }).fill('lantern');
  await page.getByRole('button', { name: 'Search', exact: true }).first().click();
  await page.getByRole('button', { name: 'Wishlist: Folding lantern' }).click();
  await page.getByRole('link', { name: 'Folding lantern' }).click();
  await page.getByRole('button', { name: 'Share this with somebody' }).click();
  await page.getByRole('status').getByText('The link is in your clipboard.').waitFor();

  const visitorOf = `select anonymous_id from store.touchpoints
    where site_id = $1 and name = 'search' and properties ->> 'search_term' = 'lantern'`;
  const names = async () => {
    const rows = await shop.rows<{ name: string }>(
      `select distinct name from store.touchpoints where site_id = $1 and anonymous_id in (${visitorOf})`,
    );
    return rows.map(({ name }) => name);
  };
  await expect
    .poll(names, { timeout: 10_000, interval: 50 })
    .toEqual(
      expect.arrayContaining([
        'search',
        'view_item_list',
        'add_to_wishlist',
        'select_item',
        'view_item',
        'share',
      ]),
    );

  await page.goto('/shop/sign-in');
  await page.locator('#sign-up').getByLabel('Name').fill('Grace Hill');
  await page.locator('#sign-up').getByLabel('E-mail').fill('grace@wayside.example');
  await page.locator('#sign-up').getByLabel('Password').fill('another one');
  await page.getByRole('button', { name: 'Create the account' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.goto('/shop/camp');
  // after the sign-out the browser is somebody new
  const visitors = `select count(distinct anonymous_id)::integer as visitors from store.touchpoints
    where site_id = $1 and context #>> '{page,path}' = '/shop/camp'`;
  await eventually(() => shop.rows(visitors), [{ visitors: 1 }]);
  expect(
    await shop.rows(
      `select from store.touchpoints where site_id = $1
       and context #>> '{page,path}' = '/shop/camp' and anonymous_id in (${visitorOf})`,
    ),
  ).toEqual([]);
  expect(complaints).toEqual([]);
  await context.close();
});

test('who does not want to be measured is not', async () => {
  const { page, context } = await shop.visitor();
  await page.goto('/shop/way');
  await page.getByRole('button', { name: 'Measure my visit: on' }).click();
  await page.getByRole('button', { name: 'Measure my visit: off' }).waitFor();
  await page.goto('/shop/wear');
  await page.getByRole('link', { name: 'Trail socks' }).click();
  await page.getByRole('button', { name: 'Add to cart' }).click();
  await page.waitForTimeout(1_000); // longer than anything above took
  expect(
    await shop.rows(
      `select name from store.touchpoints where site_id = $1
       and context #>> '{page,path}' in ('/shop/wear', '/shop/products/trail-socks')`,
    ),
  ).toEqual([]);
  await context.close();
});

test('the shop can be walked by keyboard alone', async () => {
  const { page, context } = await shop.visitor();
  const focused = () => page.locator(':focus');
  const press = async (key: string, times = 1) => {
    for (let time = 0; time < times; time += 1) await page.keyboard.press(key);
  };
  await page.goto('/shop/products/trail-socks');
  await press('Tab');
  expect(await focused().textContent()).toBe('Skip to the content');
  await press('Enter');
  await page.getByRole('radio', { name: 'M', exact: true }).focus();
  await press('ArrowRight');
  expect(await focused().getAttribute('value')).toBe('L');
  await press('Tab', 2);
  expect(await focused().textContent()).toBe('Add to cart');
  await press('Enter');
  await page.getByRole('status').getByRole('link', { name: 'View the cart' }).focus();
  await press('Enter');

  // the cart is drawn anew at each step; the focus stays where it was
  const more = page
    .getByRole('group', { name: 'Quantity of Trail socks, L' })
    .getByRole('button', { name: 'One more' });
  await more.focus();
  await press('Enter', 2);
  expect(await focused().getAttribute('aria-label')).toBe('One more');
  expect(await page.locator('.cart-line output').textContent()).toBe('3');

  await page.getByRole('link', { name: 'To the checkout' }).focus();
  await press('Enter');
  await page.getByLabel('E-mail').focus();
  await page.keyboard.type('not an address');
  await press('Enter');
  expect(await page.getByRole('alert').textContent()).toContain(
    'e-mail, name, street and number, postcode, town',
  );
  expect(await focused().getAttribute('name')).toBe('email');
  await page.getByRole('button', { name: 'Fill in an example' }).focus();
  await press('Enter');
  await page.getByLabel('E-mail').fill('ada@wayside.example');
  await press('Enter');
  expect(await focused().textContent()).toBe('How would you like to pay?');
  await context.close();
});
