import type { Plugin } from '../plugin.ts';
import { listen, record } from './page.ts';

/** Options of {@link errors}. */
export type ErrorsOptions = {
  /** How many different errors of a page are recorded. Default: 10. */
  max?: number;
};

/** At most 300 characters, without e-mail addresses and without six digits or more in a row. */
export function maskedText(text: string): string {
  return text
    .replace(/[^\s@"'<>()=:,;/]+@[^\s@"'<>()=:,;/]+/g, '*@*')
    .replace(/\d(?:[ -]?\d){5,}/g, '*')
    .slice(0, 300);
}

/**
 * What is to be recorded of an error; the place is that of the stack's topmost frame, in the words of any browser.
 * Undefined for noise: errors of other origins, of which browsers say no more than "Script error.", of browser
 * extensions, and the harmless end of a ResizeObserver's loop.
 */
export function scriptErrorOf(text: string, stack: string) {
  const message = maskedText(text.replace(/^Uncaught /, ''));
  if (/^(Script error|ResizeObserver loop)/.test(message) || /-extension:/.test(stack)) return undefined;
  const [, file = '', line = 0, column = 0] =
    /([a-z-]+:\/\/[^\s?#]+?)(?:[?#]\S*)?:(\d+):(\d+)/i.exec(stack) ?? [];
  return {
    message,
    file,
    line: +line,
    column: +column,
  };
}

/**
 * Errors of scripts and rejections that nobody handled: one touchpoint `script_error` for each message and place, with
 * the `count`, when the page is hidden or left.
 */
export function errors({ max = 10 }: ErrorsOptions = {}): Plugin<void> {
  return (api) => {
    const seen = new Map<string, ReturnType<typeof scriptErrorOf> & { kind: string; count: number }>();

    listen<ErrorEvent & PromiseRejectionEvent>('error unhandledrejection', (event) => {
      const { type: kind, message, filename, lineno, colno, error, reason = error } = event;
      // none where an image could not be loaded: that is no error of a script
      const text = message ?? [reason].join();
      if (!text) return;
      const stack = `${filename ? `${filename}:${lineno}:${colno}` : ''}\n${reason?.stack}`;
      const found = scriptErrorOf(text, stack);
      const key = found && found.message + found.file + found.line;
      const entry = seen.get(key!);
      if (entry) entry.count++;
      else if (key && seen.size < max) seen.set(key, { ...found, kind, count: 1 });
    });

    api.on('leave', () => {
      for (const entry of seen.values()) {
        if (entry.count) record(api, 'script_error', { ...entry });
        entry.count = 0;
      }
    });
    api.on('view', () => seen.clear());
  };
}
