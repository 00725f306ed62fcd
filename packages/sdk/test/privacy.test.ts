import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { openPage, pageAt, trackMany, until } from './support/visit.ts';
import { useWorld } from './support/world.ts';

// Who the visitor is, and what the browser keeps of it.

const world = useWorld();

/** Everything that the browser keeps for the site. */
async function keptBy(page: Page) {
  const stores = await page.evaluate(() => ({
    local: Object.keys(localStorage),
    session: Object.keys(sessionStorage),
  }));
  return { ...stores, cookies: (await world.context.cookies()).map(({ name }) => name) };
}

const idOf = (name: string) => world.sink.named(name)[0]!.anonymous_id;

test('without storage nothing at all is kept, and the id lives as long as the page', async () => {
  const url = pageAt(`${world.site.url}/one`, { storage: 'none' });
  const page = await openPage(world.context, url);
  await page.evaluate(() => {
    window.milepost.track('first');
    window.milepost.identify('ada');
    window.milepost.consent('granted');
    window.milepost.track('second');
  });
  await until('both', () => world.sink.named('second').length === 1);
  expect(idOf('second')).toBe(idOf('first'));
  expect(world.sink.named('second')[0]!.user_id).toBe('ada');
  expect(await keptBy(page)).toEqual({ local: [], session: [], cookies: [] });
  await page.goto(url);
  await trackMany(page, 'third');
  await until('the third', () => world.sink.named('third').length === 1);
  expect(idOf('third')).not.toBe(idOf('first'));
});

test('without storage a failed request is made up for while the page lives', async () => {
  const page = await openPage(world.context, pageAt(`${world.site.url}/one`, { storage: 'none' }));
  world.sink.nextAnswers.push({ status: 503 }, { status: 503 });
  await trackMany(page, 'kept in memory', { count: 3 });
  await until('the touchpoints', () => world.sink.named('kept in memory').length === 3);
});

test('with the storage of the session the id lives as long as the tab, and there is no cookie', async () => {
  const url = pageAt(`${world.site.url}/one`, { storage: 'session' });
  const page = await openPage(world.context, url);
  await trackMany(page, 'first');
  await page.goto(url);
  await trackMany(page, 'second');
  await until('both', () => world.sink.named('first').length + world.sink.named('second').length === 2);
  expect(idOf('second')).toBe(idOf('first'));
  expect(await keptBy(page)).toMatchObject({ local: [], cookies: [] });
  const other = await openPage(world.context, url);
  await trackMany(other, 'elsewhere');
  await until('the other tab', () => world.sink.named('elsewhere').length === 1);
  expect(idOf('elsewhere')).not.toBe(idOf('first'));
});

test('an id past its lifetime is replaced, in storage and cookie', async () => {
  const days = 86_400_000;
  const idOfAge = (age: number) => {
    const hex = (Date.now() - age).toString(16).padStart(12, '0');
    return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
  };
  const url = pageAt(`${world.site.url}/one`, { idLifetimeDays: 30 });
  for (const [age, isKept] of [
    [29 * days, true],
    [31 * days, false],
  ] as const) {
    const known = idOfAge(age);
    await world.context.addCookies([{ name: 'milepost_id', value: known, url: world.site.url }]);
    const page = await openPage(world.context, `${world.site.url}/plain`);
    await page.evaluate((known) => localStorage.setItem('milepost.id', known), known);
    await page.goto(url);
    await trackMany(page, `age ${age}`);
    await until('the touchpoint', () => world.sink.named(`age ${age}`).length === 1);
    const id = idOf(`age ${age}`);
    expect(id === known).toBe(isKept);
    expect(await page.evaluate(() => localStorage.getItem('milepost.id'))).toBe(id);
    const [cookie] = await world.context.cookies();
    expect(cookie!.value).toBe(id);
  }
});

test('who comes back while consent is pending is known again by the answer', async () => {
  const page = await openPage(world.context, `${world.site.url}/one`);
  await until('the page view', () => world.sink.named('page').length === 1);
  const known = idOf('page');
  await page.evaluate(() => {
    window.milepost.consent('pending');
    window.milepost.track('asked');
  });
  // what is recorded now is kept in memory only
  expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain('asked');
  await page.evaluate(() => window.milepost.consent('granted'));
  await until('what was asked', () => world.sink.named('asked').length === 1);
  expect(idOf('asked')).toBe(known);
});

test('pending is no answer to remember', async () => {
  const page = await openPage(world.context, `${world.site.url}/one`);
  const remembered = () => page.evaluate(() => localStorage.getItem('milepost.consent'));
  await page.evaluate(() => window.milepost.consent('granted'));
  expect(await remembered()).toBe('"granted"');
  await page.evaluate(() => window.milepost.consent('pending'));
  expect(await remembered()).toBe(null);
});

test('Do Not Track is honoured by default', async () => {
  await world.context.addInitScript(() => Object.defineProperty(navigator, 'doNotTrack', { value: '1' }));
  const page = await openPage(world.context, `${world.site.url}/one`);
  await page.evaluate(() => {
    window.milepost.track('private');
    window.milepost.consent('granted');
    window.milepost.track('private');
    return window.milepost.flush();
  });
  expect(world.sink.requests).toHaveLength(0);
  expect(await keptBy(page)).toMatchObject({ session: [], cookies: [] });
});

test('after a reset on a page still waiting for consent, somebody else goes on', async () => {
  const page = await openPage(world.context, pageAt(`${world.site.url}/one`, { consent: 'pending' }));
  await page.evaluate(() => {
    window.milepost.identify('ada');
    window.milepost.reset();
    window.milepost.track('after');
    window.milepost.consent('granted');
  });
  await until('all of it', () => world.sink.named('after').length === 1);
  expect(world.sink.named('after')[0]).not.toHaveProperty('user_id');
});
