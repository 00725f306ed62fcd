import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { until } from '../support/visit.ts';
import { pass, useWatched } from './watched.ts';

const pages = useWatched();
const waitMs = 200;
const onlyRage = { clicks: { dead: false } };
const onlyDead = { clicks: { rage: false, deadAfterMs: waitMs } };

test('three clicks in a row are rage, told once however many follow', async () => {
  const page = await pages.watch(
    onlyRage,
    '<form id="order"><button type="button" class="buy big">Buy</button></form>',
  );
  await page.click('button', { clickCount: 7 });
  await pages.leave(page);
  expect(pages.told('rage_click')).toEqual([{ selector: '#order button.buy.big', tag: 'button', clicks: 3 }]);
});

test('two clicks, clicks far from each other and slow clicks are no rage', async () => {
  const page = await pages.watch(onlyRage, '<button style="width:300px">Buy</button>');
  await page.click('button', { clickCount: 2 });
  await pass(page, 1_000);
  for (const x of [10, 100, 200]) await page.click('button', { position: { x, y: 5 } });
  await pages.leave(page);
  expect(pages.told('rage_click')).toEqual([]);
});

test('three clicks that select a paragraph, or lie in a field or on a film, are no rage', async () => {
  const page = await pages.watch(
    onlyRage,
    `<p>Some text to be selected.</p><input value="some"><select><option>1</select><video width="90" height="50" controls></video>
     <label><input type="checkbox">Yes</label>`,
  );
  for (const place of ['p', 'input', 'select', 'video', 'label']) await page.click(place, { clickCount: 3 });
  await pages.leave(page);
  expect(pages.told('rage_click')).toEqual([]);
});

test.each([
  { what: 'a button', html: '<button class="x">Buy</button>', selector: 'button.x', tag: 'button' },
  { what: 'a link to nowhere', html: '<a class="x" href="#"><b>Buy</b></a>', selector: 'a.x', tag: 'a' },
  {
    what: 'a link that a script holds back',
    html: '<a class="x" href="/next" onclick="return false">Buy</a>',
    selector: 'a.x',
    tag: 'a',
  },
  { what: 'a role', html: '<div id="x" role="button">Buy</div>', selector: '#x', tag: 'div' },
  {
    what: 'a hand',
    html: '<main id="m"><p class="x" style="cursor:pointer">Buy</p></main>',
    selector: '#m p.x',
    tag: 'p',
  },
])('a click on $what that does nothing is dead', async ({ html, selector, tag }) => {
  const page = await pages.watch(onlyDead, html);
  // a machine that is held up for long makes the page seem busy, and then nothing is said
  await until('a dead click', async () => {
    await page.click('.x, #x');
    await pass(page, waitMs + 50);
    await page.evaluate(() => window.milepost.flush());
    return pages.told('dead_click').length > 0;
  });
  expect(pages.told('dead_click')[0]).toEqual({ selector, tag });
});

/** What a click may do, and the place that is clicked. */
const working: { what: string; html: string; act?: (page: Page) => Promise<void> }[] = [
  { what: 'changes a text', html: `<button onclick="this.firstChild.data = 'Thanks'">Buy</button>` },
  { what: 'changes a class', html: `<button onclick="document.body.className = 'open'">Buy</button>` },
  {
    what: 'changes something a moment later',
    html: `<button onclick="setTimeout(() => this.append('!'), 100)">Buy</button>`,
  },
  { what: 'has worked at the press already', html: `<button onpointerdown="this.append('!')">Buy</button>` },
  {
    what: 'scrolls',
    html: `<button onclick="window.scrollTo(0, 500)">Buy</button><div style="height:3000px">`,
  },
  { what: 'goes to a part of the page', html: `<a id="b" href="#part">Go</a>` },
  {
    what: 'goes to another view',
    html: `<button onclick="history.pushState(null, '', '/other')">Buy</button>`,
  },
  { what: 'goes to a slow page', html: `<button onclick="location.href = '/slow'">Buy</button>` },
  { what: 'sends a form', html: `<form action="/slow"><button>Buy</button></form>` },
  { what: 'shows what is missing in a form', html: `<form><input required><button>Buy</button></form>` },
  {
    what: 'focuses a field',
    html: `<button onclick="document.querySelector('input').focus()">Buy</button><input>`,
  },
  { what: 'opens a popover', html: `<button popovertarget="p">Buy</button><p id="p" popover>Here</p>` },
  {
    what: 'opens a dialog',
    html: `<button onclick="document.querySelector('dialog').showModal()">Buy</button><dialog>Here</dialog>`,
  },
  { what: 'opens a new tab', html: `<a id="b" href="/next" target="_blank">Go</a>` },
  { what: 'writes to somebody', html: `<a id="b" href="mailto:shop@shop.example">Go</a>` },
  {
    what: 'saves a file',
    html: `<button onclick="Object.assign(document.createElement('a'), { href: 'data:,x', download: 'x.txt' }).click()">Buy</button>`,
  },
  {
    what: 'selects text',
    html: `<p id="b" style="cursor:pointer">Words</p>`,
    act: (page) => page.dblclick('#b'),
  },
  { what: 'ticks a box', html: `<label id="b"><input type="checkbox">Yes</label>` },
  { what: 'enters a field', html: `<input id="b">` },
  { what: 'opens a list', html: `<select id="b"><option>1<option>2</select>` },
  { what: 'plays a film', html: `<video id="b" controls width="200" height="90"></video>` },
  {
    what: 'works in a shadow tree',
    html: `<shop-button id="b"></shop-button><script>
      document.querySelector('shop-button').attachShadow({ mode: 'closed' }).innerHTML = '<button onclick="this.append(1)">Buy</button>';
    </script>`,
  },
  {
    what: 'is asked about in a dialog of the browser',
    html: `<button onclick="confirm('Sure?')">Buy</button>`,
  },
  { what: 'lies beneath data-milepost-ignore', html: `<p data-milepost-ignore><button>Buy</button></p>` },
  { what: 'looks like nothing', html: `<p id="b">Words</p>` },
  { what: 'lies on a body with a hand', html: `<style>body { cursor: pointer }</style><p id="b">Words</p>` },
];

test.each(working)('a click that $what is not dead', async ({ html, act }) => {
  // answers after the verdict
  await pages.context.route('**/slow*', (route) =>
    setTimeout(() => void route.fulfill({ body: 'slow' }), waitMs * 5),
  );
  const page = await pages.watch(onlyDead, html);
  page.on('dialog', (dialog) => void setTimeout(() => void dialog.dismiss(), waitMs + 600));
  if (act) await act(page);
  else await page.click('#b, button', { noWaitAfter: true });
  // timers run in the order they are due: the verdict has been given before this ends
  await pass(page, waitMs + 50).catch(() => {});
  if (html.includes('/slow')) await page.waitForURL('**/slow*');
  await pages.leave(page);
  expect(pages.told('dead_click')).toEqual([]);
});
