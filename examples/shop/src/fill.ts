import { html, type Value } from '../public/html.js';

/**
 * Fills a page: `{{name}}` with the value's text, escaped, `{{{name}}}` with the value as HTML.
 * A name without a value is a mistake in the page and throws.
 */
export function fill(page: string, values: Readonly<Record<string, Value | readonly Value[]>>): string {
  return page.replace(/\{\{\{([\w-]+)\}\}\}|\{\{([\w-]+)\}\}/g, (_, raw?: string, escaped?: string) => {
    const name = raw ?? escaped ?? '';
    const value = values[name];
    if (value === undefined) throw new Error(`the page wants {{${name}}}, and nobody gives it`);
    return String(html`${raw || Array.isArray(value) ? value : String(value)}`);
  });
}
