import { expect, test } from 'vitest';
import { until } from '../support/visit.ts';
import { useWatched } from './watched.ts';

const pages = useWatched();
const on = { attributes: {} };

test('a click records the event that an element names, with its properties as what they are', async () => {
  const page = await pages.watch(
    on,
    `<button data-milepost-event="add_to_cart" data-milepost-prop-cart-id="007" data-milepost-prop-value="12.50"
       data-milepost-prop-gift="true" data-milepost-prop-ean="40123456789012345678" data-milepost-prop-note="a, b"
       data-milepost-prop-items='[{"item_id":"SKU1","quantity":2}]'><b><i>Buy</i></b></button>`,
  );
  await page.click('i');
  await pages.leave(page);
  expect(pages.told('add_to_cart')).toEqual([
    {
      cart_id: '007',
      value: 12.5,
      gift: true,
      ean: '40123456789012345678',
      note: 'a, b',
      items: [{ item_id: 'SKU1', quantity: 2 }],
    },
  ]);
});

test('of nested elements the inner one speaks, with the properties of those around it', async () => {
  const page = await pages.watch(
    on,
    `<ul data-milepost-prop-list="new" data-milepost-prop-place="top">
       <li data-milepost-event="select_item" data-milepost-prop-item="1" data-milepost-prop-list="sale">
         <a>Look</a> <button data-milepost-event="add_to_wishlist">Keep</button></li></ul>`,
  );
  await page.click('button');
  await page.click('a');
  await pages.leave(page);
  expect(pages.told('add_to_wishlist')).toEqual([{ item: 1, list: 'sale', place: 'top' }]);
  expect(pages.told('select_item')).toEqual([{ item: 1, list: 'sale', place: 'top' }]);
});

test('what comes into the page later, and into shadow trees, is heard too', async () => {
  const page = await pages.watch(on, '<main></main>');
  await page.evaluate(() => {
    document.querySelector('main')!.innerHTML =
      '<button id="new" data-milepost-event="late" data-milepost-prop-n="1">Late</button><shop-button></shop-button>';
    document.querySelector('shop-button')!.attachShadow({ mode: 'open' }).innerHTML =
      '<button id="in" data-milepost-event="inside">In</button>';
  });
  await page.click('#new');
  await page.click('#in');
  await pages.leave(page);
  expect(pages.told('late')).toEqual([{ n: 1 }]);
  expect(pages.told('inside')).toHaveLength(1);
});

test('submit and change record what is named, and nothing of what was typed or chosen', async () => {
  const page = await pages.watch(
    on,
    `<form data-milepost-event="newsletter" data-milepost-on="submit" data-milepost-prop-place="footer">
       <input name="mail"><select data-milepost-event="sorted" data-milepost-on="change"><option>a<option>secret</select>
       <button>Join</button></form>
     <script>document.forms[0].onsubmit = (event) => event.preventDefault();</script>`,
  );
  await page.fill('input', 'ada@shop.example');
  await page.selectOption('select', 'secret');
  await page.click('button');
  await pages.leave(page);
  expect(pages.told('sorted')).toEqual([{ place: 'footer' }]);
  expect(pages.told('newsletter')).toEqual([{ place: 'footer' }]);
  expect(JSON.stringify(pages.sink.requests.map(({ body }) => body))).not.toMatch(/ada@|secret/);
});

test('visible records once when half of the element, or half a window of it, is seen', async () => {
  const page = await pages.watch(
    on,
    `<style>p { margin: 0 }</style><p style="height:150vh">
     <p id="banner" style="height:200px" data-milepost-event="banner_seen" data-milepost-on="visible">
     <p style="height:150vh"><p id="tall" style="height:800vh" data-milepost-event="tall_seen" data-milepost-on="visible">`,
  );
  const seen = async (name: string) => {
    await page.evaluate(() => window.milepost.flush());
    return pages.told(name).length > 0;
  };
  /** Scrolls so that the upper edge of the element lies that many windows and px above the window's. */
  const scrollTo = (id: string, windows: number, px: number) =>
    page.evaluate(
      ([id, windows, px]) =>
        window.scrollTo(0, document.getElementById(id)!.offsetTop + windows * innerHeight + px),
      [id, windows, px] as const,
    );
  // a fifth of it
  await scrollTo('banner', -1, 40);
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
  expect(await seen('banner_seen')).toBe(false);
  await scrollTo('banner', 0, -10);
  await until('the banner', () => seen('banner_seen'));
  await scrollTo('tall', 1, 0);
  await until('the tall one', () => seen('tall_seen'));
  await scrollTo('banner', 0, -10);
  await page.evaluate(() => {
    const late = document.createElement('p');
    late.style.cssText = 'position:fixed;top:0;height:50px';
    late.dataset['milepostEvent'] = 'late_seen';
    late.dataset['milepostOn'] = 'visible';
    document.body.append(late);
  });
  await until('the late one', () => seen('late_seen'));
  await pages.leave(page);
  expect(['banner_seen', 'tall_seen', 'late_seen'].map((name) => pages.told(name).length)).toEqual([1, 1, 1]);
});

test('the text of an element is told only where it is allowed', async () => {
  const page = await pages.watch(
    on,
    `<button id="a" data-milepost-event="quiet">Private</button>
     <button id="b" data-milepost-event="loud" data-milepost-text> Buy <b>now</b> </button>`,
  );
  await page.click('#a');
  await page.click('#b');
  await pages.leave(page);
  expect(pages.told('quiet')).toEqual([{}]);
  expect(pages.told('loud')).toEqual([{ text: 'Buy now' }]);
});

test('data-milepost-ignore switches off everything beneath', async () => {
  const page = await pages.watch(
    on,
    `<div data-milepost-ignore><button data-milepost-event="a">1</button>
     <p data-milepost-event="b" data-milepost-on="visible">2</p></div>
     <p data-milepost-event="c" data-milepost-on="visible">3</p>`,
  );
  await page.click('button');
  await until('the other', async () => {
    await page.evaluate(() => window.milepost.flush());
    return pages.told('c').length > 0;
  });
  await pages.leave(page);
  expect(pages.names()).toEqual(['page', 'c']);
});
