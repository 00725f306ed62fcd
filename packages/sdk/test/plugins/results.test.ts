import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { until } from '../support/visit.ts';
import { goTo, useWatched } from './watched.ts';

const pages = useWatched();

test('a page with a term in its address is a search, with the number of results once it is shown', async () => {
  const page = await pages.watch({ search: {} }, '<main></main>', { path: '/find?page=2&q=%20red+shoes%20' });
  await page.evaluate(
    () => (document.querySelector('main')!.innerHTML = '<p data-milepost-results="12">12 shoes</p>'),
  );
  await until('the search', async () => {
    await page.evaluate(() => window.milepost.flush());
    return pages.told('view_search_results').length > 0;
  });
  await pages.leave(page);
  expect(pages.told('view_search_results')).toEqual([{ search_term: 'red shoes', results: 12 }]);
});

test('a search that is left at once is told, and so is one without results', async () => {
  const page = await pages.watch({ search: {} }, '<p data-milepost-results="0">', { path: '/?s=nothing' });
  await pages.leave(page);
  expect(pages.told('view_search_results')).toEqual([{ search_term: 'nothing', results: 0 }]);
});

test('each view of a single-page app is a search of its own', async () => {
  const page = await pages.watch({ search: {} }, '', { path: '/list' });
  await goTo(pages, page, '/list?keyword=hats');
  await goTo(pages, page, '/list?keyword=hats&page=2');
  await goTo(pages, page, '/list?q=');
  await pages.leave(page);
  expect(
    pages.sink.named('view_search_results').map(({ properties, context }) => [properties, context.page?.url]),
  ).toEqual([
    [{ search_term: 'hats' }, `${pages.url}/list?keyword=hats`],
    [{ search_term: 'hats' }, `${pages.url}/list?keyword=hats&page=2`],
  ]);
});

test('a site may name its parameters itself', async () => {
  const page = await pages.watch({ search: { parameters: ['suche'] } }, '', { path: '/?q=no&suche=ja' });
  await pages.leave(page);
  expect(pages.told('view_search_results')).toEqual([{ search_term: 'ja' }]);
});

test('an answer with status 404 is a page that does not exist', async () => {
  const server = createServer((_, response) => {
    response.writeHead(404, { 'content-type': 'text/html' });
    response.end(pages.head({ notFound: {} }).replace('/sdk.js', `${pages.url}/sdk.js`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const page = await pages.context.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/gone`);
  await goTo(pages, page, '/here');
  await pages.leave(page);
  server.close();
  await until('both views', () => pages.sink.named('page').length === 2);
  expect(pages.told('page_not_found')).toEqual([{ page_path: '/gone' }]);
});

test.each(['<meta name="milepost" content="404">', '<main data-milepost-page="404">'])(
  'a page that holds %s does not exist, also where a router has put it in',
  async (mark) => {
    const page = await pages.watch({ notFound: {} }, '', { path: '/here' });
    await goTo(pages, page, '/gone');
    await page.evaluate((mark) => (document.body.innerHTML = mark), mark);
    await pages.leave(page);
    expect(pages.told('page_not_found')).toEqual([{ page_path: '/gone' }]);
  },
);

test('a page that exists says nothing', async () => {
  await pages.leave(await pages.watch({ notFound: {}, search: {} }, '<meta name="milepost" content="ok">'));
  expect(pages.names()).toEqual(['page']);
});
