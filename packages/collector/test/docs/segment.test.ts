import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser } from '../../../sdk/test/support/browser.ts';
import { bundleOf } from '../../../sdk/test/support/bundle.ts';
import { servePages } from '../../../sdk/test/support/front.ts';
import { runSegmentCollector, type SegmentCollector } from '../segment/stored.ts';
import { run } from '../support/program.ts';
import { type Block, blocksOf, root, sectionOf } from './markdown.ts';

// Every example of docs/segment.md, with the real libraries and a real collector.

const file = 'docs/segment.md';
const fromSdk = createRequire(`${root}packages/sdk/package.json`);

let collector: SegmentCollector;
let browser: Browser;
beforeAll(async () => {
  collector = await runSegmentCollector();
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  await collector.end();
});

function example(heading: string, language: string, holding = ''): string {
  const found = blocksOf(sectionOf(file, heading)).find(
    (block: Block) => block.language === language && block.text.includes(holding),
  );
  if (found === undefined) throw new Error(`${file} lacks the example in ${language} under “${heading}”`);
  return found.text
    .replaceAll('https://data.shop.example', collector.url)
    .replaceAll('WRITE_KEY', collector.writeKey)
    .replaceAll('SECRET_KEY', collector.secretKey);
}

const named = (name: string, library: string) => () =>
  collector.rows(
    `select count(*)::integer as count from store.touchpoints
     where site_id = $1 and name = $2 and context #>> '{library,name}' = $3`,
    name,
    library,
  );

/** Opens a page of another origin, with a script of its own. */
async function visit(pages: Record<string, string>, seen: () => Promise<void>): Promise<void> {
  const site = await servePages(
    Object.fromEntries(Object.entries(pages).map(([path, text]) => [path, () => text])),
  );
  const context = await browser.newContext();
  try {
    await (await context.newPage()).goto(site.url);
    await seen();
  } finally {
    await context.close();
    site.close();
  }
}

test.each([
  { heading: 'In the browser: Segment', library: 'analytics.js' },
  { heading: 'In the browser: RudderStack', library: 'RudderLabs JavaScript SDK' },
])('$heading, from npm', async ({ heading, library }) => {
  const script = await bundleOf(example(heading, 'js'));
  const count = async (name: string) => ((await named(name, library)()) as { count: number }[])[0]!.count;
  const [pages, views] = [await count('page_view'), await count('view_item')];
  await visit({ '/': '<!doctype html><script src="/shop.js"></script>', '/shop.js': script }, async () => {
    await collector.eventually(named('page_view', library), [{ count: pages + 1 }]);
    await collector.eventually(named('view_item', library), [{ count: views + 1 }]);
  });
});

test('In the browser: Segment, by the snippet', async () => {
  const before = (await named('page_view', 'analytics.js')()) as { count: number }[];
  const standalone = fromSdk
    .resolve('@segment/analytics-next')
    .replace(/dist\/.*$/, 'dist/umd/standalone.js');
  await visit(
    {
      '/': `<!doctype html>${example('In the browser: Segment', 'html')}`,
      '/analytics.js': readFileSync(standalone, 'utf8'),
    },
    () => collector.eventually(named('page_view', 'analytics.js'), [{ count: before[0]!.count + 1 }]),
  );
});

/** Runs a module as a file of this package would run, whose libraries it has. */
async function runs(module: string): Promise<void> {
  const ended = await run(process.execPath, ['--input-type=module', '-e', module], {
    cwd: `${root}packages/collector`,
  });
  expect(ended).toEqual({ code: 0, stdout: '', stderr: '' });
}

test.each([
  { library: '@segment/analytics-node', order: 'o-2001' },
  { library: '@rudderstack/rudder-sdk-node', order: 'o-2002' },
])('On a server: $library', async ({ library, order }) => {
  await runs(example('On a server', 'js', `from '${library}'`));
  await collector.eventually(
    () =>
      collector.rows(
        'select order_id, gross::float8 from journey.orders where site_id = $1 and order_id = $2',
        order,
      ),
    [{ order_id: order, gross: 89 }],
  );
});

test('On a server: trusted', async () => {
  await runs(example('On a server', 'js', 'Bearer'));
  await collector.eventually(
    () =>
      collector.rows(
        `select is_trusted, properties from store.touchpoints where site_id = $1 and name = 'refund'`,
      ),
    [{ is_trusted: true, properties: { transaction_id: 'o-2001' } }],
  );
});

test('On a server: by hand', async () => {
  const shown = example('On a server', 'sh');
  const [, user = '', url = '', body = ''] = /^curl -u (\S+): (\S+) \\\n +-d '([^']*)'\n$/.exec(shown) ?? [];
  const answer = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${user}:`).toString('base64')}` },
    body,
  });
  expect(await answer.json()).toEqual(JSON.parse(example('On a server', 'json')));
  await collector.eventually(
    () =>
      collector.rows(
        `select user_id, traits, occurred_at from store.touchpoints where site_id = $1 and name = 'identify'`,
      ),
    [{ user_id: 'ada', traits: { plan: 'pro' }, occurred_at: new Date('2026-11-20T09:30:00Z') }],
  );
});

test('nothing of it was rejected', async () => {
  expect(await collector.rejected()).toBe(0);
});
