import type { PluginApi } from '../plugin.ts';
import { attempt } from '../storage.ts';

// What the plug-ins that record by themselves have in common: how they listen, what they may see, how they record.

/**
 * Listens to events of the whole page before anybody can stop them; `types` are divided by spaces. Never holds the
 * page up, and what goes wrong in `run` never reaches it.
 */
export function listen<Seen extends Event>(types: string, run: (event: Seen) => void): void {
  for (const type of types.split(' ')) {
    const options = { capture: true, passive: true };
    addEventListener(type, (event) => attempt(() => run(event as Seen)), options);
  }
}

/**
 * The elements that an event went through, innermost first, those of shadow trees too. None where one of them is
 * marked `data-milepost-ignore`.
 */
export function elementsOf(event: Event): Element[] {
  const elements = event.composedPath().filter((node): node is Element => node instanceof Element);
  return elements.some((element) => element.matches('[data-milepost-ignore]')) ? [] : elements;
}

/** Records what belongs to the page that was viewed last, which the address may no longer say. Leaves out what is empty. */
export function record(api: PluginApi, name: string, properties: Record<string, unknown>): void {
  for (const key in properties) if ((properties[key] ?? '') === '') delete properties[key];
  api.add({ name, properties }, { page: api.viewed() });
}

/** Runs once a page view: when the page has had a second to show what it is, or when it is left before. */
export function onceShown(api: PluginApi, run: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const settle = () => {
    clearTimeout(timer);
    if (timer) attempt(run);
    timer = undefined;
  };
  api.on('leave', settle);
  api.on('view', () => (timer = setTimeout(settle, 1_000)));
}

/** An address without credentials and hash. Of `mailto:`, `tel:` and their like only the scheme is left. */
export function addressOf({ protocol, origin, pathname, search }: URL): string {
  return protocol.startsWith('http') ? origin + pathname + search : protocol;
}

/** A short CSS selector, e.g. `#order button.primary`: the element, within the nearest around it that has an id. */
export function selectorOf(element: Element): string {
  const { id } = element.parentElement?.closest('[id]') ?? {};
  const own = element.id ? `#${element.id}` : [element.localName, ...element.classList].slice(0, 3).join('.');
  return id ? `#${id} ${own}` : own;
}
