import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { blocksOf, sectionOf } from '../../collector/test/docs/markdown.ts';
import { renewIdentitySecret } from '../../collector/src/database/identity-secrets.ts';
import type { Journey, JourneyMethods } from '../src/plugins/journey.ts';
import { snippet } from '../src/snippet.ts';
import type { Tracker } from '../src/types.ts';
import { launchBrowser } from './support/browser.ts';
import { builtSdk } from './support/built.ts';
import { bundleOf } from './support/bundle.ts';
import { runCollector } from './support/collector.ts';
import { frontOf, servePages, type Front } from './support/front.ts';
import { until } from './support/visit.ts';

// The stage goes all the way: from the page to PostgreSQL, derived there, and back into the page. Nothing is a stub.

type Personal = { milepost: Tracker & JourneyMethods; heard: (Journey | undefined)[] };

const unknown = {
  stage: null,
  furthest_stage: null,
  since: null,
  is_customer: null,
  segments: [],
  variants: {},
};

let browser: Browser;
let context: BrowserContext;
let collector: Awaited<ReturnType<typeof runCollector>>;
let front: Front;
let site: Awaited<ReturnType<typeof servePages>>;
let secret: string;

beforeAll(async () => {
  collector = await runCollector({ roles: 'ingest,write,derive,api' });
  ({ secret } = await renewIdentitySecret(collector.pool, { siteId: collector.siteId }));
  front = await frontOf(() => collector.url);
  const script = await bundleOf(`
    import { createTracker } from '../../src/index.ts';
    import { journey } from '../../src/plugins/journey.ts';
    const { own, ...options } = JSON.parse(new URLSearchParams(location.search).get('options') ?? '{}');
    window.heard = [];
    addEventListener('milepost:journey', ({ detail }) => heard.push(detail));
    window.milepost = createTracker({
      writeKey: '${collector.writeKey}', host: '${front.url}', ...options, plugins: [journey(own)],
    });`);
  const page = () => '<!doctype html><title>Shop</title><script src="/shop.js"></script><h1>Shop</h1>';
  const loader = snippet({
    script: '/milepost.full.js',
    writeKey: collector.writeKey,
    host: front.url,
  });
  const [shown] = blocksOf(sectionOf('docs/personalising.md', 'In the page'));
  const documented = await bundleOf(
    shown!.text
      .replace('@milepost/sdk/journey', '../../src/plugins/journey.ts')
      .replace('@milepost/sdk', '../../src/index.ts')
      .replace('wk_YOUR_WRITE_KEY', collector.writeKey)
      .replace('https://YOUR-COLLECTOR', front.url),
  );
  const full = readFileSync(join(await builtSdk(), 'milepost.full.js'), 'utf8');
  site = await servePages({
    '/shop.js': () => script,
    '/': page,
    '/next': page,
    '/documented.js': () => documented,
    '/documented': () =>
      '<!doctype html><p id="delivery" hidden>Tomorrow</p><script src="/documented.js"></script>',
    '/milepost.full.js': () => full,
    '/full': () =>
      `<!doctype html><title>Shop</title>${loader}<script>early = milepost.journey()</script><h1>Shop</h1>`,
  });
  browser = await launchBrowser();
});
beforeEach(async () => {
  front.answer();
  context = await browser.newContext();
});
afterEach(() => context.close());
afterAll(async () => {
  await browser.close();
  site.close();
  front.close();
  await collector.end();
});

async function open(options: object = {}, path = '/'): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${site.url}${path}?options=${encodeURIComponent(JSON.stringify(options))}`);
  return page;
}

const journeyIn = (page: Page) => page.evaluate(() => (window as unknown as Personal).milepost.journey());
const heardIn = (page: Page) => page.evaluate(() => (window as unknown as Personal).heard);
const asked = () => front.asked('/v1/me');
const proofOf = (userId: string) => createHmac('sha256', secret).update(userId).digest('hex');

const addToCart = (page: Page) =>
  page.evaluate(() => {
    (window as unknown as Personal).milepost.addToCart({
      cart_id: crypto.randomUUID(),
      currency: 'EUR',
      value: 59.9,
      items: [{ item_id: 'boots-42', price: 59.9, quantity: 1 }],
    });
  });

/** Asks until the stage is this one. */
const untilStage = (page: Page, stage: string | null) =>
  until(`the stage ${stage}`, async () => (await journeyIn(page))?.stage === stage, 20_000);

/** Waits until the browser's touchpoints belong to that user in the views. */
const untilDerived = (page: Page, userId: string) =>
  until(`the browser of ${userId}`, async () => {
    const visitor = (await context.cookies(page.url())).find(({ name }) => name === 'milepost_id')!.value;
    const { rowCount } = await collector.pool.query(
      `select from journey.identities
       join journey.persons on persons.site_id = identities.site_id and persons.person_id = identities.person_id
       where identities.type = 'anonymous_id' and identities.value = $1 and persons.user_id = $2`,
      [visitor, userId],
    );
    return rowCount === 1;
  });

describe('a visitor', () => {
  test('who puts something into the cart stands in decision a moment later, and the page hears of it', async () => {
    const page = await open();
    await addToCart(page);
    await untilStage(page, 'decision');
    expect(await journeyIn(page)).toEqual({
      stage: 'decision',
      furthest_stage: 'decision',
      since: expect.stringMatching(/^20.*Z$/) as string,
      is_customer: false,
      segments: [],
      variants: {},
    });
    expect((await heardIn(page)).at(-1)).toMatchObject({ stage: 'decision' });
  });

  test('sees what the guide shows to who decides', async () => {
    const before = await open({}, '/documented');
    expect(await before.isHidden('#delivery')).toBe(true);
    const page = await open();
    await addToCart(page);
    await untilStage(page, 'decision');
    const after = await open({}, '/documented');
    await after.waitForSelector('#delivery', { state: 'visible' });
  });

  test('is known by the full script too, to who asks before it has arrived', async () => {
    const page = await open({}, '/full');
    const early = await page.evaluate(() => (window as unknown as { early: Promise<unknown> }).early);
    expect(early).toMatchObject({ segments: [], variants: {} });
    await addToCart(page);
    await untilStage(page, 'decision');
  });

  test('who is a user sees the stage on any browser, by the proof of the site', async () => {
    const page = await open();
    await page.evaluate(
      (proof) => (window as unknown as Personal).milepost.identify('ada', {}, { proof }),
      proofOf('ada'),
    );
    await addToCart(page);
    await untilStage(page, 'decision');

    // the proof is remembered: the next page does not give it again
    const next = await open({}, '/next');
    await next.evaluate(() => (window as unknown as Personal).milepost.identify('ada'));
    await untilDerived(next, 'ada');
    expect(await journeyIn(next)).toMatchObject({ stage: 'decision' });
    await next.evaluate(() => localStorage.removeItem('milepost.journey'));
    expect(await journeyIn(await open())).toMatchObject({ stage: 'decision' });
  });

  test('who says to be somebody else learns nothing', async () => {
    const hers = await open();
    await hers.evaluate(
      (proof) => (window as unknown as Personal).milepost.identify('eve', {}, { proof }),
      proofOf('eve'),
    );
    await addToCart(hers);
    await untilStage(hers, 'decision');

    await context.close();
    context = await browser.newContext();
    const his = await open();
    await addToCart(his);
    await untilStage(his, 'decision'); // his own, as long as he is nobody
    await his.evaluate(() => (window as unknown as Personal).milepost.identify('eve'));
    await untilDerived(his, 'eve');
    await untilStage(his, null);
    expect(await journeyIn(his)).toEqual(unknown);
  });
});

describe('asking', () => {
  test('is shared by who asks at once, and not repeated while the answer is fresh', async () => {
    const page = await open();
    const before = asked();
    const answers = await page.evaluate(() => {
      const { milepost } = window as unknown as Personal;
      return Promise.all(Array.from({ length: 10 }, () => milepost.journey()));
    });
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    await journeyIn(page);
    expect(asked() - before).toBe(1);
  });

  test('goes on behind the answer that is known already, once at a time', async () => {
    const page = await open();
    expect(await journeyIn(page)).toBeDefined();
    front.silence('/v1/me');
    const next = await open({}, '/next');
    const before = asked();
    // the page view may have changed something: a new page soon asks again
    await until('the question', async () => {
      expect(await journeyIn(next)).toBeDefined();
      return asked() > before;
    });
    for (let call = 0; call < 5; call += 1) await journeyIn(next);
    expect(asked() - before).toBe(1);
  });

  test('waits for consent', async () => {
    const page = await open({ consent: 'pending' });
    const before = asked();
    expect(await journeyIn(page)).toBeUndefined();
    expect(asked()).toBe(before);
    await page.evaluate(() => (window as unknown as Personal).milepost.consent('granted'));
    expect(await journeyIn(page)).toBeDefined();
    await page.evaluate(() => (window as unknown as Personal).milepost.consent('denied'));
    expect(await journeyIn(page)).toBeUndefined();
    expect(asked() - before).toBe(1);
    expect(await page.evaluate(() => Object.keys(localStorage))).toEqual(['milepost.consent']);
  });

  test('gives undefined when the collector keeps silent, and the known answer at once', async () => {
    front.silence('/v1/me');
    const page = await open();
    expect(await journeyIn(page)).toBeUndefined(); // after five seconds
    expect(await heardIn(page)).toEqual([null]); // undefined, as it comes out of the page
    front.answer();
    await until('an answer', async () => (await journeyIn(page)) !== undefined);
    front.silence('/v1/me');
    expect(await journeyIn(await open())).toBeDefined();
  });

  test.each([
    { what: 'an unknown key', options: { writeKey: 'wk_nobody' } },
    { what: 'nobody there', options: { host: 'http://127.0.0.1:9' } },
    { what: 'what is no collector', options: { endpoint: '/events' } },
  ])('$what gives undefined', async ({ options }) => {
    const page = await open(options);
    expect(await journeyIn(page)).toBeUndefined();
  });
});

describe('what is known', () => {
  const initial = { ...unknown, stage: 'retention' };

  test('begins with what the server rendered', async () => {
    front.silence('/v1/me');
    const page = await open({ own: { initial } });
    expect(await journeyIn(page)).toEqual(initial);
    expect(await heardIn(page)).toEqual([initial]);
  });

  test('by the server is not told to another user', async () => {
    front.silence('/v1/me');
    const page = await open({ own: { initial } });
    await page.evaluate(() => (window as unknown as Personal).milepost.identify('ada'));
    expect(await journeyIn(page)).toEqual(initial);
    await page.evaluate(() => (window as unknown as Personal).milepost.identify('ben'));
    expect(await journeyIn(page)).toBeUndefined();
  });

  test('is forgotten with the visitor', async () => {
    const page = await open({ own: { initial } });
    await page.evaluate(
      (proof) => (window as unknown as Personal).milepost.identify('zoe', {}, { proof }),
      proofOf('zoe'),
    );
    expect(await page.evaluate(() => localStorage.getItem('milepost.proof'))).toBe(proofOf('zoe'));
    await page.evaluate(() => (window as unknown as Personal).milepost.reset());
    front.silence('/v1/me');
    const kept = await page.evaluate(() => Object.keys(localStorage));
    expect(kept).not.toContain('milepost.proof');
    expect(kept).not.toContain('milepost.journey');
    expect(await journeyIn(page)).toBeUndefined();
  });

  test('of one user is not told to the next', async () => {
    const page = await open();
    await page.evaluate(
      (proof) => (window as unknown as Personal).milepost.identify('ben', {}, { proof }),
      proofOf('ben'),
    );
    await addToCart(page);
    await untilStage(page, 'decision');
    await page.evaluate(() => (window as unknown as Personal).milepost.identify('cleo'));
    expect(await page.evaluate(() => localStorage.getItem('milepost.proof'))).toBeNull();
    await untilDerived(page, 'cleo');
    await untilStage(page, null);
  });
});
