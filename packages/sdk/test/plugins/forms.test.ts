import { expect, test } from 'vitest';
import { goTo, switchTab, useWatched } from './watched.ts';

const pages = useWatched();
const contact = `<form id="contact" name="reach" action="/send?token=1#top">
  <input name="full_name"><input name="id"><textarea name="message"></textarea>
  <input type="hidden" name="csrf"><button>Send</button></form>`;
const described = {
  form_id: 'contact',
  form_name: 'reach',
  form_field_count: 3,
  duration_ms: expect.any(Number),
};

test('a form is started at the first input, once, and submitted although the page is left by it', async () => {
  pages.files.set('/send', 'thanks');
  const page = await pages.watch({ forms: {} }, contact);
  await page.focus('[name=full_name]');
  await page.keyboard.type('Ada');
  await page.fill('[name=message]', 'Hello');
  await page.click('button');
  await page.waitForURL(/send/);
  await pages.leave(page);
  const form_destination = `${pages.url}/send?token=1`;
  expect(pages.told('form_start')).toEqual([{ ...described, form_destination, last_field: 'full_name' }]);
  expect(pages.told('form_submit')).toEqual([{ ...described, form_destination, last_field: 'message' }]);
  expect(pages.told('form_abandon')).toEqual([]);
});

test('a form left without being sent is abandoned, and the last field is named', async () => {
  const page = await pages.watch({ forms: {} }, contact, { path: '/contact' });
  await page.fill('[name=full_name]', 'Ada');
  await page.fill('[name=message]', 'Hello');
  await pages.leave(page);
  expect(pages.told('form_abandon')).toMatchObject([{ ...described, last_field: 'message' }]);
  expect(pages.sink.named('form_abandon')[0]!.context.page?.path).toBe('/contact');
});

test('a form that nobody has filled in is neither started nor abandoned', async () => {
  const page = await pages.watch({ forms: {} }, contact);
  await page.focus('[name=full_name]');
  await pages.leave(page);
  expect(pages.names()).toEqual(['page']);
});

test('a form that a script sends is submitted too', async () => {
  const page = await pages.watch(
    { forms: {} },
    `${contact}<script>document.forms[0].onsubmit = (event) => event.preventDefault();</script>`,
  );
  await page.fill('[name=message]', 'Hello');
  await page.click('button');
  await pages.leave(page);
  expect(pages.told('form_submit')).toHaveLength(1);
  expect(pages.told('form_abandon')).toEqual([]);
});

test('form.submit(), which tells nobody, is at least no abandonment', async () => {
  pages.files.set('/send', 'thanks');
  const page = await pages.watch({ forms: {} }, contact);
  await page.fill('[name=message]', 'Hello');
  await page.evaluate(() => document.forms[0]!.submit());
  await page.waitForURL(/send/);
  await pages.leave(page);
  expect(pages.told('form_abandon')).toEqual([]);
});

test('a form in a shadow tree is started and submitted', async () => {
  const page = await pages.watch(
    { forms: {} },
    `<shop-form></shop-form><script>
       const root = document.querySelector('shop-form').attachShadow({ mode: 'open' });
       root.innerHTML = '<form id="in"><input name="a"><button>Send</button></form>';
       root.firstChild.onsubmit = (event) => event.preventDefault();
     </script>`,
  );
  await page.fill('input', 'x');
  await page.click('button');
  await pages.leave(page);
  expect(pages.told('form_start')).toMatchObject([{ form_id: 'in' }]);
  expect(pages.told('form_submit')).toHaveLength(1);
  expect(pages.told('form_abandon')).toEqual([]);
});

test('after a change of tab a form is abandoned once, and may still be submitted', async () => {
  const page = await pages.watch(
    { forms: {} },
    `${contact}<script>document.forms[0].onsubmit = (event) => event.preventDefault();</script>`,
  );
  await page.fill('[name=message]', 'Hello');
  await switchTab(page);
  await switchTab(page);
  await page.click('button');
  await pages.leave(page);
  expect(pages.names()).toEqual(['page', 'form_start', 'form_abandon', 'form_submit']);
});

test('a form belongs to the view it was filled in on', async () => {
  const page = await pages.watch({ forms: {} }, contact, { path: '/one' });
  await page.fill('[name=message]', 'Hello');
  await goTo(pages, page, '/two');
  await page.fill('[name=message]', 'Hello again');
  await pages.leave(page);
  expect(pages.sink.named('form_abandon').map(({ context }) => context.page?.path)).toEqual(['/one', '/two']);
});

test.each([
  '<input type="password" name="pin">',
  '<input name="number" autocomplete="section-a cc-number">',
  '<input name="cardNumber">',
  '<input autocomplete="new-password" name="fresh">',
])('of a form with %s nothing but counts is told', async (secret) => {
  const page = await pages.watch({ forms: {} }, `<form id="f" name="n"><input name="user">${secret}</form>`);
  await page.fill('[name=user]', 'Ada');
  await pages.leave(page);
  const counts = { form_field_count: 2, duration_ms: expect.any(Number) };
  expect(pages.told('form_start')).toEqual([counts]);
  expect(pages.told('form_abandon')).toEqual([counts]);
});

test('a form beneath data-milepost-ignore is not watched', async () => {
  const page = await pages.watch({ forms: {} }, `<div data-milepost-ignore>${contact}</div>`);
  await page.fill('[name=message]', 'Hello');
  await pages.leave(page);
  expect(pages.told('form_start')).toEqual([]);
});
