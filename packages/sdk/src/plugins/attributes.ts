import type { Plugin } from '../plugin.ts';
import { attempt } from '../storage.ts';
import { elementsOf, listen } from './page.ts';

/** Reads an attribute: numbers, booleans and JSON as what they are, all else (`007`, very long numbers) as text. */
export function valueOf(text: string): unknown {
  return /^\d{16}/.test(text) ? text : (attempt(() => JSON.parse(text) as unknown) ?? text);
}

/** Properties out of the attributes of an element and all that it lies in: `data-milepost-prop-cart-id` is `cart_id`. */
export function propertiesOf(element: Element | null): Record<string, unknown> {
  if (!element) return {};
  const properties = propertiesOf(element.parentElement);
  for (const { name, value } of element.attributes) {
    const [, own] = /^data-milepost-prop-(.+)/.exec(name) ?? [];
    if (own) properties[own.replace(/-/g, '_')] = valueOf(value);
  }
  return properties;
}

const isHalf = ({ intersectionRatio, intersectionRect }: IntersectionObserverEntry) =>
  intersectionRatio >= 0.5 || intersectionRect.height > innerHeight / 2;

/**
 * Tracking without code: `data-milepost-event="add_to_cart"` records that event on a click, with
 * `data-milepost-prop-value="12.5"` as its properties, or by `data-milepost-on` when the form is submitted (`submit`),
 * a field has changed (`change`), or half of the element, or half a window of it, is first seen (`visible`). The
 * element's text comes along as `text` where `data-milepost-text` allows it.
 */
export function attributes(): Plugin<void> {
  return (api) => {
    const tell = (element: HTMLElement | undefined) => {
      if (!element || element.closest('[data-milepost-ignore]')) return;
      const properties = propertiesOf(element);
      if (element.matches('[data-milepost-text]'))
        properties['text'] ??= element.textContent.trim().slice(0, 100);
      api.tracker.track(element.dataset['milepostEvent']!, properties);
    };

    listen('click submit change', (event) => {
      const isMeant = ({ dataset }: HTMLElement) =>
        dataset['milepostEvent'] && (dataset['milepostOn'] ?? 'click') === event.type;
      tell((elementsOf(event) as HTMLElement[]).find(isMeant));
    });

    const seen = new WeakSet<Element>();
    const observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          const { target } = entry;
          if (!isHalf(entry) || seen.has(target)) continue;
          seen.add(target);
          attempt(() => tell(target as HTMLElement));
        }
      },
      { threshold: Array.from({ length: 51 }, (_, percent) => percent / 100) },
    );
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = () => {
      timer = undefined;
      for (const element of document.querySelectorAll('[data-milepost-event][data-milepost-on=visible]')) {
        observer.observe(element);
      }
    };
    new MutationObserver(() => (timer ??= setTimeout(look, 200))).observe(document, {
      childList: true,
      subtree: true,
    });
    look();
  };
}
