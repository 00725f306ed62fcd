import { expect, test } from 'vitest';
import { openPage, until } from '../support/visit.ts';
import { box, isShown, score, settled, shown, useSurveyPages } from './pages.ts';

const { pages, html, open, answers } = useSurveyPages();

test('an answer is recorded once with its comment, and nobody is asked again in that wave', async () => {
  const page = await open({ wave: '2027-Q1' });
  await score(page, '9').check();
  await box(page).getByLabel('Would you like to tell us why?').fill('  good cups ');
  await box(page).getByRole('button', { name: 'Send' }).click();
  await box(page).getByText('Thank you').waitFor();
  await box(page).getByRole('button', { name: 'Close' }).click();
  const answer = {
    survey_id: 'shop',
    wave: '2027-Q1',
    kind: 'nps',
    score: 9,
    scale: 10,
    comment: 'good cups',
  };
  expect(await answers(page)).toEqual([answer]);

  const again = await open({ wave: '2027-Q1' }, {}, '/again');
  await settled(again);
  expect(await isShown(again)).toBe(false);
  await shown(await open({ wave: '2027-Q2' }, {}, '/next-wave'));
});

test.each([
  { kind: 'nps', name: '0, Not at all likely', recorded: { kind: 'nps', score: 0, scale: 10 } },
  { kind: 'csat', name: '5, Very satisfied', recorded: { kind: 'csat', score: 5, scale: 5 } },
  { kind: 'ces', name: '1, Very difficult', recorded: { kind: 'ces', score: 1, scale: 7 } },
])('$kind asks on its own scale, whose ends are named', async ({ kind, name, recorded }) => {
  const page = await open({ kind, comment: false });
  await score(page, name).check();
  expect(await box(page).getByRole('textbox').count()).toBe(0);
  await box(page).getByRole('button', { name: 'Send' }).click();
  expect(await answers(page)).toEqual([{ survey_id: 'shop', ...recorded }]);
});

test('closed unanswered, nothing is recorded and nobody is asked for 90 days', async () => {
  const page = await open();
  await box(page).getByRole('button', { name: 'Close' }).click();
  expect(await isShown(page)).toBe(false);
  expect(await answers(page)).toEqual([]);

  const again = await open({}, {}, '/again');
  await settled(again);
  expect(await isShown(again)).toBe(false);

  const later = await pages.context.newPage();
  await later.clock.setSystemTime(Date.now() + 90 * 86_400_000);
  await later.goto(`${pages.url}/again`);
  await shown(later);
});

test('looked past on three pages, it rests as if it were closed', async () => {
  for (const path of ['/1', '/2', '/3']) await shown(await open({}, {}, path));
  const fourth = await open({}, {}, '/4');
  await settled(fourth);
  expect(await isShown(fourth)).toBe(false);
});

test.each([
  { how: 'closed', leave: 'close' },
  { how: 'left with the page', leave: 'navigate' },
])(
  'a score that was chosen is recorded when the survey is $how, without what was typed',
  async ({ leave }) => {
    const page = await open();
    await score(page, '7').check();
    await box(page).getByRole('textbox').fill('not sent');
    if (leave === 'close') await box(page).getByRole('button', { name: 'Close' }).click();
    else {
      pages.files.set('/next', '<script src="/sdk.js"></script><script src="/start.js"></script>');
      await page.goto(`${pages.url}/next`);
    }
    await until('the answer', async () => (await answers(page)).length > 0);
    expect(await answers(page)).toEqual([{ survey_id: 'shop', kind: 'nps', score: 7, scale: 10 }]);
    await settled(page);
    expect(await isShown(page)).toBe(false);
  },
);

test('two tabs that ask at once record one answer', async () => {
  const one = await open();
  const two = await openPage(pages.context, pages.url);
  for (const page of [one, two]) {
    await score(page, '6').check();
    await box(page).getByRole('button', { name: 'Send' }).click();
    await answers(page);
  }
  expect(await answers(one)).toHaveLength(1);
});

test('after a logout somebody else may be asked', async () => {
  const page = await open();
  await score(page, '6').check();
  await box(page).getByRole('button', { name: 'Close' }).click();
  await page.evaluate(() => window.milepost.reset());
  await shown(await open({}, {}, '/somebody-else'));
});

test('one survey is shown at a time', async () => {
  pages.files.set('/start.js', '');
  const page = await open();
  await page.evaluate(
    (url) =>
      (window as unknown as { start(...all: object[]): void }).start(
        { host: url },
        { id: 'other', when: {} },
      ),
    pages.sink.url,
  );
  await settled(page);
  expect(await box(page).count()).toBe(1);
});

test('without consent nobody is asked; with it, at once', async () => {
  const page = await open({}, { consent: 'pending' });
  await settled(page);
  expect(await isShown(page)).toBe(false);
  await page.evaluate(() => window.milepost.consent('granted'));
  await shown(page);
});

test('the wait begins with the page, and again with the next view', async () => {
  const page = await pages.context.newPage();
  await page.clock.install();
  pages.files.set('/', html({ when: { seconds: 30 } }));
  await page.goto(pages.url);
  await page.clock.runFor(29_000);
  expect(await isShown(page)).toBe(false);
  await page.evaluate(() => history.pushState(null, '', '/two'));
  await page.clock.runFor(29_000);
  expect(await isShown(page)).toBe(false);
  await page.clock.runFor(2_000);
  await shown(page);
});

test('an event makes it ask, on the pages that are meant', async () => {
  const page = await open({ when: { event: 'purchase', path: '^/thanks' } }, {}, '/cart');
  const buy = () => page.evaluate(() => window.milepost.purchase({ transaction_id: 'o-1' }));
  await buy();
  await settled(page);
  expect(await isShown(page)).toBe(false);
  await page.evaluate(() => history.pushState(null, '', '/thanks'));
  await until('the view', () => pages.sink.named('page').length === 2);
  await buy();
  await shown(page);
});

test('scrolling makes it ask', async () => {
  const page = await pages.open(`${html({ when: { scroll: 50 } })}<style>p { height: 4000px }</style>`);
  await page.mouse.wheel(0, 200);
  await settled(page);
  expect(await isShown(page)).toBe(false);
  await page.mouse.wheel(0, 3_000);
  await shown(page);
});

test('who is not in the sample is not asked, but can be by the shop', async () => {
  const page = await open({ sample: 0 });
  await settled(page);
  expect(await isShown(page)).toBe(false);
  await page.evaluate(() =>
    (window.milepost as unknown as { askSurvey(id: string): void }).askSurvey('shop'),
  );
  await shown(page);
});

test('what is to be shown before the page has a body waits for it', async () => {
  pages.files.set(
    '/',
    `<!doctype html><title>x</title>${html().replace(/<h1>.*<\/a>/s, '')}<script src="/slow.js"></script><p>text`,
  );
  let goOn = () => {};
  await pages.context.route('**/slow.js', async (route) => {
    await new Promise<void>((resolve) => (goOn = resolve));
    await route.fulfill({ body: '' });
  });
  const page = await pages.context.newPage();
  const warnings: string[] = [];
  page.on('console', (message) => warnings.push(message.text()));
  void page.goto(pages.url);
  await until('the page view', () => pages.sink.named('page').length > 0);
  expect(await page.evaluate(() => document.body)).toBeNull();
  goOn();
  await shown(page);
  expect(warnings).toEqual([]);
});
