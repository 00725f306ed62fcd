import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { beforeEach, expect, test } from 'vitest';
import { usePages } from '../support/pages.ts';
import { until } from '../support/visit.ts';

const pages = usePages(`
  import { createTracker } from '../../src/tracker.ts';
  import { linker } from '../../src/plugins/linker.ts';
  import { clicks } from '../../src/plugins/clicks.ts';
  Object.assign(window, {
    start: (options) =>
      (window.milepost = createTracker({
        writeKey: 'wk_test', host: sinkUrl, privacySignals: 'ignore',
        plugins: [clicks({ outbound: true }), linker({ hosts: ['127.0.0.1', 'localhost'], ...linkerOptions })],
        ...options,
      })),
  });
`);

/** The shop is at 127.0.0.1, the other domain at localhost: one server, two hosts. */
const there = (path: string) => pages.url.replace('127.0.0.1', 'localhost') + path;
const sdk = (options: object = {}, linkerOptions: object = {}) =>
  `<script>var sinkUrl = '${pages.sink.url}', linkerOptions = ${JSON.stringify(linkerOptions)}</script>
   <script src="/sdk.js"></script><script>start(${JSON.stringify(options)})</script>`;

/** The page on the other side. It says what its address was before the SDK came. */
function serve(path: string, body: string) {
  pages.files.set(
    path,
    `<!doctype html><title>${path}</title><script>var arrivedAt = location.href</script>${body}`,
  );
}
beforeEach(() => {
  serve('/pay', sdk());
  serve('/elsewhere', '<h1>no SDK</h1>');
  serve('/shop', `${sdk()}<a id="pay" href="${there('/pay?order=1&sig=a%20b#top')}"><b>pay</b></a>`);
});

async function shopOf(context: BrowserContext = pages.context, path = '/shop') {
  const page = await context.newPage();
  await page.goto(pages.url + path);
  await until('the view of the shop', () => viewsAt('/shop').length > 0);
  return page;
}
const viewsAt = (path: string) =>
  pages.sink.named('page').filter(({ context }) => context.page!.path === path);
const visitorAt = (path: string) => viewsAt(path).at(-1)?.anonymous_id;
/** The view of the other side, once it is there. */
async function viewThere(count = 1) {
  await until('the view there', () => viewsAt('/pay').length === count);
  return viewsAt('/pay').at(-1)!;
}
const arrivedAt = (page: Page) => page.evaluate(() => (window as unknown as { arrivedAt: string }).arrivedAt);
/** A link of the shop as it is when it is used. */
const linkOf = (page: Page) =>
  page.evaluate(
    (url) => (window.milepost as unknown as { linkerParam(url: string): string }).linkerParam(url),
    there('/pay?order=1'),
  );

test('a visitor who follows a link is the same there, with one page view and a clean address', async () => {
  const page = await shopOf();
  await page.click('#pay');
  const view = await viewThere();
  expect(await arrivedAt(page)).toMatch(/\/pay\?order=1&sig=a%20b&_mp=[\w.-]+#top$/);
  expect(page.url()).toBe(there('/pay?order=1&sig=a%20b#top'));
  expect(view.anonymous_id).toBe(visitorAt('/shop'));
  expect(view.context.page!.url).toBe(there('/pay?order=1&sig=a%20b'));
  await page.evaluate(() => window.milepost.flush());
  expect(viewsAt('/pay')).toHaveLength(1);
  // and stays so
  await page.reload();
  expect((await viewThere(2)).anonymous_id).toBe(visitorAt('/shop'));
});

test.each([
  { way: 'the keyboard', go: (page: Page) => page.press('#pay', 'Enter') },
  {
    way: 'a script that clicks',
    go: (page: Page) => page.evaluate(() => document.querySelector<HTMLElement>('#pay')!.click()),
  },
  {
    way: 'a script that sets the address',
    go: async (page: Page) => page.evaluate((url) => location.assign(url), await linkOf(page)),
  },
])('a visitor who leaves by $way is the same there', async ({ go }) => {
  const page = await shopOf();
  await go(page);
  expect((await viewThere()).anonymous_id).toBe(visitorAt('/shop'));
});

// the packaged Chromium cannot open a tab of another site by itself: the test takes the address and opens it
test.each([
  { way: 'the menu', options: { button: 'right' } as const },
  { way: 'the middle button', options: { button: 'middle' } as const },
])('a visitor who opens a new tab by $way is the same there', async ({ options }) => {
  const page = await shopOf();
  await page.evaluate(() => addEventListener('auxclick', (event) => event.preventDefault()));
  await page.click('#pay b', options);
  const address = await page.evaluate(() => document.links[0]!.href);
  const tab = await pages.context.newPage();
  await tab.goto(address, { referer: page.url() });
  expect((await viewThere()).anonymous_id).toBe(visitorAt('/shop'));
});

test('a link in an open shadow root takes the visitor along', async () => {
  const page = await shopOf();
  await page.evaluate((url) => {
    const root = document.body.appendChild(document.createElement('div')).attachShadow({ mode: 'open' });
    const link = root.appendChild(document.createElement('a'));
    link.href = url;
    link.textContent = 'inside';
  }, there('/pay'));
  await page.click('text=inside');
  expect((await viewThere()).anonymous_id).toBe(visitorAt('/shop'));
});

test.each([
  { form: 'that posts', html: 'method="post" action="URL"><button>go</button>' },
  { form: 'that gets', html: 'action="URL"><input name="a" value="1"><button>go</button>' },
  {
    form: 'whose button has its own address',
    html: 'action="/shop"><button formmethod="post" formaction="URL">go</button>',
  },
])('a form $form takes the visitor along', async ({ html }) => {
  serve('/shop', `${sdk()}<form ${html.replace('URL', there('/pay'))}</form>`);
  const page = await shopOf();
  await page.click('text=go');
  const view = await viewThere();
  expect(view.anonymous_id).toBe(visitorAt('/shop'));
  expect(view.context.page!.url).toBe(there(html.includes('name="a"') ? '/pay?a=1' : '/pay'));
});

test('links to other hosts, to the same host and to schemes of other kinds stay as they are', async () => {
  const hrefs = [
    '/shop',
    'https://example.com/',
    'https://notlocalhost/',
    'mailto:a@b.example',
    'javascript:void 0',
    '#top',
    '',
  ];
  serve('/shop', sdk() + hrefs.map((href) => `<a href="${href}">${href}</a>`).join(''));
  const page = await shopOf();
  const after = await page.evaluate(() =>
    [...document.links].map((link) => {
      link.addEventListener('click', (event) => event.preventDefault());
      link.click();
      return link.getAttribute('href');
    }),
  );
  expect(after).toEqual(hrefs);
});

test('what is recorded of a click says where it led, without the token', async () => {
  const page = await shopOf();
  await page.click('#pay');
  await viewThere();
  await until('the click', () => pages.sink.named('click').length > 0);
  expect(pages.sink.named('click').map(({ properties }) => properties!['link_url'])).toEqual([
    expect.stringMatching(/\/pay\?order=1&sig=a%20b$/),
  ]);
});

test('without consent nothing is taken along', async () => {
  serve('/shop', `${sdk({ consent: 'pending' })}<a id="pay" href="${there('/pay')}">pay</a>`);
  const page = await pages.context.newPage();
  await page.goto(`${pages.url}/shop`);
  await page.click('#pay');
  await viewThere();
  expect(await arrivedAt(page)).toBe(there('/pay'));
});

test('a visitor who arrives where consent is awaited is the same once it is given', async () => {
  serve('/pay', sdk({ consent: 'pending' }));
  const page = await shopOf();
  await page.click('#pay');
  await page.waitForURL(/\/pay/);
  expect(page.url()).not.toContain('_mp');
  await page.evaluate(() => window.milepost.consent('granted'));
  expect((await viewThere()).anonymous_id).toBe(visitorAt('/shop'));
});

/** Opens an address in a browser by a link on a page of that host. */
async function follow(
  url: string,
  { from = `${pages.url}/elsewhere`, as = {} }: { from?: string; as?: BrowserContextOptions } = {},
) {
  const context = await pages.browser.newContext(as);
  const page = await context.newPage();
  await page.goto(from);
  await page.evaluate((url) => location.assign(url), url);
  await viewThere();
  const address = page.url();
  await context.close();
  return address;
}

test('the same link in a fresh browser of the same kind is taken: this is what the next tests vary', async () => {
  const url = await linkOf(await shopOf());
  await follow(url);
  expect(visitorAt('/pay')).toBe(visitorAt('/shop'));
});

test.each([
  {
    who: 'a browser with another user agent',
    as: { userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0' },
  },
  { who: 'a browser in another language', as: { locale: 'fr-FR' } },
])('a copied link is refused by $who, and the address is clean', async ({ as }) => {
  const url = await linkOf(await shopOf());
  expect(await follow(url, { as })).toBe(there('/pay?order=1'));
  expect(visitorAt('/pay')).not.toBe(visitorAt('/shop'));
  expect(viewsAt('/pay').map(({ context }) => context.page!.url)).toEqual([there('/pay?order=1')]);
});

test.each([
  {
    change: 'another id',
    tamper: (url: string) =>
      url.replace(/_mp=./, (start) => start.slice(0, -1) + (start.endsWith('f') ? '0' : 'f')),
  },
  {
    change: 'a later time',
    tamper: (url: string) =>
      url.replace(/\.(\w+)\./, (_, time: string) => `.${(parseInt(time, 36) - 1).toString(36)}.`),
  },
  {
    change: 'another checksum',
    tamper: (url: string) => url.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a')),
  },
  {
    change: 'attributes for a cookie',
    tamper: (url: string) => url.replace(/_mp=.*?\./, '_mp=x%3Bdomain=y.'),
  },
  { change: 'nothing in it', tamper: (url: string) => url.replace(/_mp=.*/, '_mp=') },
])('a link with $change is refused, and the address is clean', async ({ tamper }) => {
  const url = await linkOf(await shopOf());
  expect(tamper(url)).not.toBe(url);
  expect(await follow(tamper(url))).toBe(there('/pay?order=1'));
  expect(visitorAt('/pay')).not.toBe(visitorAt('/shop'));
});

test('a link is refused from a page of a host that is not configured, and without a referrer', async () => {
  const url = await linkOf(await shopOf());
  serve('/pay', sdk({}, { hosts: ['example.com'] }));
  expect(await follow(url)).toBe(there('/pay?order=1'));
  expect(visitorAt('/pay')).not.toBe(visitorAt('/shop'));

  serve('/pay', sdk());
  pages.sink.reset();
  pages.headers = { 'referrer-policy': 'no-referrer' };
  const again = await linkOf(await shopOf());
  expect(await follow(again)).toBe(there('/pay?order=1'));
  expect(visitorAt('/pay')).not.toBe(visitorAt('/shop'));
});

test.each([
  { age: 110, taken: true },
  { age: 130, taken: false },
])('a link that is $age seconds old is taken: $taken', async ({ age, taken }) => {
  const page = await pages.context.newPage();
  await page.clock.setSystemTime(Date.now() - age * 1_000);
  await page.goto(`${pages.url}/shop`);
  await until('the view of the shop', () => viewsAt('/shop').length > 0);
  expect(await follow(await linkOf(page))).toBe(there('/pay?order=1'));
  expect(visitorAt('/pay') === visitorAt('/shop')).toBe(taken);
});

test('a browser that has an id keeps it', async () => {
  const page = await pages.context.newPage();
  await page.goto(there('/pay'));
  const own = (await viewThere()).anonymous_id;
  const shop = await shopOf();
  await shop.click('#pay');
  expect((await viewThere(2)).anonymous_id).toBe(own);
  expect(own).not.toBe(visitorAt('/shop'));
  expect(shop.url()).not.toContain('_mp');
});

test('also where page views are manual, no address with a token is told', async () => {
  serve('/pay', sdk({ pageViews: 'manual' }));
  const page = await shopOf();
  await page.click('#pay');
  await page.waitForFunction(() => location.pathname === '/pay' && !!window.milepost);
  await page.evaluate(() => {
    window.milepost.track('tried');
    return window.milepost.flush();
  });
  const [tried] = pages.sink.named('tried');
  expect(tried!.context.page!.url).toBe(there('/pay?order=1&sig=a%20b'));
  expect(tried!.anonymous_id).toBe(visitorAt('/shop'));
});
