import { expect, test } from 'vitest';
import { useWatched } from './watched.ts';

const pages = useWatched();
const quiet = { rage: false, dead: false };

/** Pages of other hosts, which any request for them gets. */
const answerForOthers = () =>
  pages.context.route(/\.example\//, (route) => route.fulfill({ contentType: 'text/html', body: 'there' }));

test('a click on a link that leaves the site is told, although the page is left by it', async () => {
  await answerForOthers();
  const page = await pages.watch(
    { clicks: quiet },
    '<a id="out" class="big link" href="https://me:pw@other.example/a/b?c=d#secret"><b>There</b></a>',
  );
  await page.click('b');
  await page.waitForURL(/other\.example/);
  await page.goto(pages.url);
  await pages.leave(page);
  expect(pages.told('click')).toEqual([
    {
      link_url: 'https://other.example/a/b?c=d',
      link_domain: 'other.example',
      link_id: 'out',
      link_classes: 'big link',
      outbound: true,
    },
  ]);
});

test.each([
  { how: 'by the middle button', act: { button: 'middle' as const } },
  { how: 'with the control key', act: { modifiers: ['Control' as const] } },
  { how: 'into a new tab', act: {}, target: '_blank' },
])('a link opened $how is told once', async ({ act, target = '' }) => {
  await answerForOthers();
  const page = await pages.watch(
    { clicks: quiet },
    `<a target="${target}" href="https://other.example/">There</a>`,
  );
  await page.click('a', act);
  await pages.leave(page);
  expect(pages.told('click')).toEqual([
    { link_url: 'https://other.example/', link_domain: 'other.example', outbound: true },
  ]);
});

test('a link opened by the keyboard is told once', async () => {
  await answerForOthers();
  const page = await pages.watch({ clicks: quiet }, '<a href="https://other.example/">There</a>');
  await page.focus('a');
  await page.keyboard.press('Enter');
  await page.waitForURL(/other\.example/);
  await page.goto(pages.url);
  await pages.leave(page);
  expect(pages.told('click')).toHaveLength(1);
});

test('the second mouse button opens a menu, not the link', async () => {
  const page = await pages.watch({ clicks: quiet }, '<a href="https://other.example/">There</a>');
  await page.click('a', { button: 'right' });
  await pages.leave(page);
  expect(pages.told('click')).toEqual([]);
});

test('links in shadow trees, in drawings and in image maps are links', async () => {
  await answerForOthers();
  const page = await pages.watch(
    { clicks: quiet },
    `<shop-link></shop-link>
     <svg width="90" height="30"><a href="https://svg.example/"><rect width="90" height="30"/></a></svg>
     <svg width="90" height="30"><a xlink:href="https://xlink.example/"><circle r="15" cx="20" cy="15"/></a></svg>
     <map name="m"><area shape="rect" coords="0,0,50,50" href="https://area.example/"></map>
     <img usemap="#m" width="50" height="50" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
     <script>
       document.querySelector('shop-link').attachShadow({ mode: 'open' }).innerHTML =
         '<a href="https://shadow.example/"><i>There</i></a>';
       addEventListener('click', (event) => event.preventDefault());
     </script>`,
  );
  for (const place of ['i', 'rect', 'circle', 'img']) await page.click(place, { force: true });
  await pages.leave(page);
  expect(pages.told('click').map((told) => told['link_domain'])).toEqual([
    'shadow.example',
    'svg.example',
    'xlink.example',
    'area.example',
  ]);
});

test('the own host, its subdomains and the hosts that the site names are not outside', async () => {
  const page = await pages.watch(
    { clicks: { ...quiet, ownHosts: ['www.shop.example'] } },
    `<a href="/next">1</a><a href="https://shop.example/">2</a><a href="https://pay.shop.example/">3</a>
     <a href="https://myshop.example/">4</a><a href="javascript:void 0">5</a><a>6</a><a href="">7</a>
     <script>addEventListener('click', (event) => event.preventDefault());</script>`,
  );
  for (const link of await page.$$('a')) await link.click();
  await pages.leave(page);
  expect(pages.told('click').map((told) => told['link_domain'])).toEqual(['myshop.example']);
});

test('of a link to the mail program or the telephone only the scheme is told', async () => {
  const page = await pages.watch(
    { clicks: quiet },
    `<a href="mailto:ada@shop.example?subject=Secret">1</a><a href="tel:+49301234">2</a>
     <script>addEventListener('click', (event) => event.preventDefault());</script>`,
  );
  for (const link of await page.$$('a')) await link.click();
  await pages.leave(page);
  expect(pages.told('click')).toEqual([
    { link_url: 'mailto:', outbound: true },
    { link_url: 'tel:', outbound: true },
  ]);
});

test('a link to a file is a download, by GA4’s list of endings or the site’s own', async () => {
  const body = `<a id="list" href="/files/Prices.PDF?v=2#p3">1</a><a href="/a.html">2</a><a href="/a.stl">3</a>
    <script>addEventListener('click', (event) => event.preventDefault());</script>`;
  const page = await pages.watch({ clicks: quiet }, body);
  for (const link of await page.$$('a')) await link.click();
  await pages.leave(page);
  expect(pages.told('file_download')).toEqual([
    {
      link_url: `${pages.url}/files/Prices.PDF?v=2`,
      file_name: '/files/Prices.PDF',
      file_extension: 'PDF',
      link_id: 'list',
    },
  ]);
  expect(pages.told('click')).toEqual([]);

  const other = await pages.watch({ clicks: { ...quiet, downloads: 'stl|obj' } }, body);
  for (const link of await other.$$('a')) await link.click();
  await pages.leave(other);
  expect(pages.told('file_download').slice(1)).toMatchObject([{ file_extension: 'stl' }]);
});

test('each kind of link can be left alone', async () => {
  const page = await pages.watch(
    { clicks: { ...quiet, outbound: false, downloads: false } },
    `<a href="https://other.example/">1</a><a href="/a.pdf">2</a>
     <script>addEventListener('click', (event) => event.preventDefault());</script>`,
  );
  for (const link of await page.$$('a')) await link.click();
  await pages.leave(page);
  expect(pages.names()).toEqual(['page']);
});

test('what is beneath data-milepost-ignore is not watched', async () => {
  const page = await pages.watch(
    { clicks: { ...quiet } },
    `<div data-milepost-ignore><p><a href="https://other.example/">1</a></p></div>
     <script>addEventListener('click', (event) => event.preventDefault());</script>`,
  );
  await page.click('a');
  await pages.leave(page);
  expect(pages.told('click')).toEqual([]);
});
