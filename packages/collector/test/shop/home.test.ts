import { afterAll, beforeAll, expect, test } from 'vitest';
import { signInLink } from '../../src/home/sign-in.ts';
import { milepost } from '../support/program.ts';
import { eventually, runShop, type RunningShop } from './running.ts';

const patience = { timeout: 10_000, interval: 50 };
let shop: RunningShop;
beforeAll(async () => {
  shop = await runShop();
});
afterAll(() => shop.end());

/** An operator's browser, signed in. */
async function operator() {
  const visitor = await shop.visitor();
  await visitor.page.goto(await signInLink({ pool: shop.pool, url: shop.url }));
  return visitor;
}

test('without a sign-in there is a kind page and nothing else', async () => {
  const page = await fetch(shop.url);
  expect(page.status).toBe(200);
  const text = await page.text();
  expect(text).toContain('npm run milepost sign-in');
  expect(text).not.toContain('data-site');
  for (const headers of [{}, { cookie: 'milepost_sign_in=guessed' }]) {
    const stream = await fetch(`${shop.url}/home/live`, { headers });
    expect({ status: stream.status, type: stream.headers.get('content-type') }).toEqual({
      status: 403,
      type: 'application/problem+json; charset=utf-8',
    });
  }
});

test('a link that is wrong or too old signs nobody in', async () => {
  const link = await signInLink({ pool: shop.pool, url: shop.url });
  await shop.pool.query(
    `update store.sign_ins set expires_at = now() - interval '1 second' where kind = 'link'`,
  );
  for (const url of [link, `${shop.url}/sign-in`, `${shop.url}/sign-in?token=a&token=b`]) {
    const answer = await fetch(url, { redirect: 'manual' });
    expect({ url, status: answer.status, cookie: answer.headers.get('set-cookie') }).toEqual({
      url,
      status: 403,
      cookie: null,
    });
  }
});

test('a link signs a browser in by a cookie that no script can read, and the database knows no token', async () => {
  const link = await signInLink({ pool: shop.pool, url: shop.url });
  const answer = await fetch(link, { redirect: 'manual' });
  expect(answer.status).toBe(303);
  expect(answer.headers.get('location')).toBe('/');
  const cookie = answer.headers.get('set-cookie') ?? '';
  expect(cookie).toMatch(/^milepost_sign_in=[\w-]{43}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/);

  const kept = JSON.stringify((await shop.pool.query('select * from store.sign_ins')).rows);
  const tokens = [new URL(link).searchParams.get('token'), /=([\w-]{43});/.exec(cookie)?.[1]];
  for (const token of tokens) {
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(kept).not.toContain(token);
  }
});

test('milepost sign-in prints a new link', async () => {
  const { code, stdout } = await milepost(['sign-in', '--json', '--url', `${shop.url}/`], {
    DATABASE_URL: shop.databaseUrl,
  });
  expect(code).toBe(0);
  const { link } = JSON.parse(stdout) as { link: string };
  const answer = await fetch(link, { redirect: 'manual' });
  expect({ status: answer.status, isOurs: link.startsWith(`${shop.url}/sign-in?`) }).toEqual({
    status: 303,
    isOurs: true,
  });
});

test('what happens in the shop shows on the page within about a second', async () => {
  const { page: home, complaints, context } = await operator();
  await home.getByText('Live', { exact: true }).waitFor();
  const count = (stage: string) =>
    home.locator('.stage', { hasText: stage }).locator('.stage-count b').textContent();
  expect(await count('Decision')).toBe('0');

  const walker = await shop.visitor();
  await walker.page.goto('/shop/products/brass-compass');
  await walker.page.getByRole('button', { name: 'Add to cart' }).click();
  const clickedAt = performance.now();
  const row = home.locator('#touchpoints li', { hasText: 'Put in the cart Brass compass' });
  await row.getByText('Decision').waitFor();
  expect(performance.now() - clickedAt).toBeLessThan(5_000);
  await expect.poll(() => count('Decision'), patience).toBe('1');
  await expect.poll(() => home.locator('#carts li').textContent(), patience).toContain('€45.00');
  await expect.poll(() => home.locator('#tiles').textContent(), patience).toContain('1 €45.00');

  // newest first, and the page that the server draws is the one that the script keeps
  const live = await home.locator('#touchpoints .touch-deed').allTextContents();
  await home.reload();
  const drawn = await home.locator('#touchpoints .touch-deed').allTextContents();
  expect(drawn.slice(-live.length)).toEqual(live);
  expect(live.at(-1)).toContain('Looked at a page');
  expect(complaints).toEqual([]);
  await context.close();
  await walker.context.close();
});

test('what visitors send is shown as text, never as markup', async () => {
  const { page, context, complaints } = await operator();
  const evil = '<img src=x onerror=alert(1)>';
  await fetch(`${shop.url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${shop.writeKey}` },
    body: JSON.stringify({
      batch: [
        { id: 'evil-1', name: evil, anonymous_id: 'evil', occurred_at: new Date().toISOString() },
        {
          id: 'evil-2',
          name: 'search',
          anonymous_id: 'evil',
          occurred_at: new Date().toISOString(),
          properties: { search_term: evil, items: 'none', value: 'much', currency: '<b>', rating: {} },
        },
      ],
    }),
  });
  await page.getByText(`“${evil}”`).waitFor();
  await page.getByText(evil, { exact: true }).waitFor();
  expect(await page.locator('#touchpoints img').count()).toBe(0);
  await page.reload();
  expect(await page.locator('#touchpoints img').count()).toBe(0);
  expect(complaints).toEqual([]);
  await context.close();
});

test('a pause holds the list still, and shows afterwards what came meanwhile', async () => {
  const { page, context } = await operator();
  await page.getByText('Live', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  const before = await page.locator('#touchpoints li').count();
  const walker = await shop.visitor();
  await walker.page.goto('/shop/search?q=compass');
  await eventually(
    () =>
      shop.rows(
        `select name from store.touchpoints where site_id = $1 and properties ->> 'search_term' = 'compass'`,
      ),
    [{ name: 'search' }],
  );
  await page.waitForTimeout(1_000);
  expect(await page.locator('#touchpoints li').count()).toBe(before);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('“compass”').waitFor();
  await context.close();
  await walker.context.close();
});

test('the page says when the database is away, and goes on when it is back', async () => {
  const { page, context } = await operator();
  await page.getByText('Live', { exact: true }).waitFor();
  await shop.pool.query('alter view journey.current_stages rename to current_stages_away');
  await page.getByText('Waiting for the database').waitFor();
  await shop.pool.query('alter view journey.current_stages_away rename to current_stages');
  await page.getByText('Live', { exact: true }).waitFor();
  await context.close();
});

test('after a sign-out the cookie is worth nothing', async () => {
  const { page, context } = await operator();
  const cookies = await context.cookies();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('npm run milepost sign-in').waitFor();
  expect(await context.cookies()).toEqual([]);
  await context.addCookies(cookies);
  await page.goto('/');
  await page.getByText('npm run milepost sign-in').waitFor();
  await context.close();
});
