import { expect, test } from 'vitest';
import { pass, switchTab, useWatched } from './watched.ts';

// What must hold for all plug-ins together.

const pages = useWatched();
const all = {
  vitals: {},
  errors: {},
  clicks: { deadAfterMs: 200 },
  forms: {},
  engagement: {},
  attributes: {},
  search: {},
  notFound: {},
};

const secret = (n: number) => `hush${n}hush`;
const fields = ['text', 'search', 'email', 'tel', 'url', 'password'];

test('nothing that is typed into a field is ever sent', async () => {
  const page = await pages.watch(
    all,
    `<form id="f" novalidate data-milepost-event="sent" data-milepost-on="submit">
       ${fields.map((type) => `<input type="${type}" name="${type}" aria-label="${type}">`).join('')}
       <textarea name="area"></textarea>
       <select name="choice"><option>-</option><option>${secret(90)}</option></select>
       <input type="checkbox" name="box" value="${secret(91)}"><input type="radio" name="one" value="${secret(92)}">
       <input type="hidden" name="token" value="${secret(93)}"><input type="number" name="number"><input type="date" name="date">
       <p id="edit" contenteditable></p><button>Send</button></form>
     <form id="other"><input name="plain" data-milepost-event="changed" data-milepost-on="change"><button type="button">Stop</button></form>
     <shop-field></shop-field>
     <script>
       document.forms[0].onsubmit = (event) => event.preventDefault();
       document.querySelector('shop-field').attachShadow({ mode: 'open' }).innerHTML = '<form><input id="deep"></form>';
     </script>`,
  );
  for (const [n, type] of fields.entries()) {
    await page.focus(`#f [name=${type}]`);
    await page.keyboard.type(secret(n));
  }
  await page.fill('textarea', secret(20));
  await page.selectOption('select', secret(90));
  await page.check('[type=checkbox]');
  await page.check('[type=radio]');
  await page.fill('[type=number]', '918273645');
  await page.fill('[type=date]', '1999-12-31');
  await page.click('#edit');
  await page.keyboard.type(secret(21));
  await page.fill('[name=plain]', secret(22));
  await page.fill('#deep', secret(23));
  await page.click('[name=text]', { clickCount: 4 });
  await page.click('[type=button]', { clickCount: 4 });
  await pass(page, 300);
  await page.click('#f button:not([type])', { force: true });
  await switchTab(page);
  await pages.leave(page);
  expect(pages.names()).toEqual(
    expect.arrayContaining([
      'form_start',
      'form_submit',
      'form_abandon',
      'rage_click',
      'sent',
      'changed',
      'web_vitals',
    ]),
  );
  const everything = JSON.stringify(pages.sink.requests);
  expect(everything).not.toMatch(/hush\d+hush|918273645|1999-12-31/);
});

test('no listener keeps the page out of the back/forward cache, or holds it up', async () => {
  await pages.context.addInitScript(() => {
    const listened: unknown[] = ((window as unknown as { listened: unknown[] }).listened = []);
    const own = { prototype: EventTarget.prototype as unknown as Record<string, object> };
    own.prototype['addEventListener'] = new Proxy(own.prototype['addEventListener']!, {
      apply(original, target, values: [string, unknown, AddEventListenerOptions?]) {
        listened.push([values[0], values[2]?.passive]);
        return Reflect.apply(original as () => void, target, values) as unknown;
      },
    });
  });
  const page = await pages.watch(all, '<button>1</button>');
  await page.click('button');
  const listened = await page.evaluate(
    () => (window as unknown as { listened: [string, boolean?][] }).listened,
  );
  expect(listened.length).toBeGreaterThan(15);
  expect(listened.filter(([type]) => /unload/.test(type))).toEqual([]);
  expect(
    listened.filter(([type, passive]) => /^(scroll|wheel|touch|pointer|click)/.test(type) && !passive),
  ).toEqual([]);
  expect(await page.evaluate(() => [window.onunload, window.onbeforeunload])).toEqual([null, null]);
});

test.each([
  ['PerformanceObserver'],
  ['IntersectionObserver', 'MutationObserver', 'navigation', 'PerformanceEventTiming', 'requestIdleCallback'],
  ['CSS', 'getSelection', 'WeakSet'],
])('a browser without %s has its page views, and no error', async (...missing) => {
  await pages.context.addInitScript((missing) => {
    for (const name of missing) {
      Object.defineProperty(window, name, { value: undefined, writable: true, configurable: true });
    }
    Object.defineProperty(performance, 'getEntriesByType', { value: () => [] });
  }, missing);
  const failures: Error[] = [];
  const page = await pages.context.newPage();
  page.on('pageerror', (error) => failures.push(error));
  pages.files.set('/', pages.head(all) + '<button>1</button><form><input></form><p style="height:300vh">');
  await page.goto(pages.url);
  await page.click('button', { clickCount: 4 });
  await page.fill('input', 'x');
  await page.evaluate(() => window.scrollTo(0, 500));
  await pass(page, 300);
  await pages.leave(page);
  expect(failures).toEqual([]);
  expect(pages.names()).toEqual(expect.arrayContaining(['page', 'rage_click', 'form_start']));
});

test('what goes wrong in a page’s own methods stays out of the page', async () => {
  const page = await pages.watch(
    all,
    '<form onsubmit="return false"><input name="elements"><button>Send</button></form>',
  );
  const failures: Error[] = [];
  page.on('pageerror', (error) => failures.push(error));
  await page.fill('input', 'x');
  await page.evaluate(() => {
    Object.assign(Element.prototype, {
      matches() {
        throw new Error('broken');
      },
    });
  });
  await page.click('button', { noWaitAfter: true, force: true });
  await pages.leave(page);
  expect(failures).toEqual([]);
});

test('without consent nothing is recorded, by any of them', async () => {
  const page = await pages.watch(all, '<form><input></form><button>1</button>', {
    path: '/?q=x',
    options: { consent: 'denied' },
  });
  await page.fill('input', 'x');
  await page.click('button', { clickCount: 4 });
  await switchTab(page);
  await pages.leave(page);
  expect(pages.sink.requests).toEqual([]);
});
