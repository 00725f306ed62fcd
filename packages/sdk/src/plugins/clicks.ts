import type { Plugin } from '../plugin.ts';
import { watchDead, watchRage } from './frustration.ts';
import { watchLinks, type LinkOptions } from './links.ts';

/** Options of {@link clicks}. */
export type ClicksOptions = LinkOptions & {
  /** Three clicks within a second and 30 px, as `rage_click`. Default: yes. */
  rage?: boolean;
  /** Clicks without an effect on what looks as if it had one, as `dead_click`. Default: yes. */
  dead?: boolean;
  /** How long a click may take to have an effect, in ms. Default: 1,500. */
  deadAfterMs?: number;
};

/** Clicks that leave the site, fetch a file, or tell of annoyance. */
export function clicks(options: ClicksOptions = {}): Plugin<void> {
  return (api) => {
    watchLinks(api, options);
    if (options.rage !== false) watchRage(api);
    if (options.dead !== false) watchDead(api, options.deadAfterMs ?? 1_500);
  };
}
