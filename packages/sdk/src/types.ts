import type { Commerce } from './commerce.ts';
import type { Consent } from './consent.ts';
import type { Filter, Plugin } from './plugin.ts';

/** How a tracker is set up. Only `writeKey` has to be given. */
export type TrackerOptions = {
  /** The site's public key, `wk_…`. */
  writeKey: string;
  /** Where the collector is, e.g. `https://collect.shop.example`. Default: the page's own origin. */
  host?: string;
  /** The whole address to send to, where a proxy gives it another path. Default: `host` + `/v1/events`. */
  endpoint?: string;
  /** What holds until the visitor has answered. Default: `granted`. An answer given by `consent()` is remembered. */
  consent?: Consent;
  /** Whether Global Privacy Control and Do Not Track mean that nothing is recorded. Default: `honour`. */
  privacySignals?: 'honour' | 'ignore';
  /** `auto` (default) records a page view at the start and at each change of path or query; `manual` only by `page()`. */
  pageViews?: 'auto' | 'manual';
  /**
   * Where the visitor's id and what waits to be sent are kept: `local` (default) in localStorage and a cookie, `session`
   * in sessionStorage for as long as the tab lives, `none` nowhere: the id lives as long as the page.
   */
  storage?: 'local' | 'session' | 'none';
  /** After so many days the visitor gets a new id. Default: never; the browser's own limits hold. */
  idLifetimeDays?: number;
  /** Domain of the visitor's cookie, e.g. `.shop.example` to know a visitor on all subdomains. Default: this host. */
  cookieDomain?: string;
  /** What else is to be recorded or offered, e.g. `[vitals(), errors()]`. Default: nothing. */
  plugins?: readonly Plugin[];
  /**
   * Sees every touchpoint before it is queued, after the plug-ins' filters. Returns it, changed or not, or `null`
   * to drop it. When it throws, the touchpoint is dropped and counted as `filter_failed`.
   */
  beforeSend?: Filter;
  /** The clock, in milliseconds since 1970. Default: `Date.now`. */
  now?: () => number;
};

/** Names of events and their properties; see `createTracker`. */
export type EventPlan = Record<string, object>;

/** Properties and traits that nobody has described. */
export type Free = Record<string, unknown>;

/** What a page calls. No call ever throws into the page; what is lost is counted and reported. */
export type Tracker<Events extends EventPlan = Record<string, Free>> = Commerce & {
  /** Records something that happened. Written to the durable queue before it returns. */
  track: <Name extends keyof Events & string>(
    name: Name,
    ...properties: Partial<Events[Name]> extends Events[Name] ? [Events[Name]?] : [Events[Name]]
  ) => void;
  /** Records a page view. Only needed with `pageViews: 'manual'`. */
  page: (properties?: Free) => void;
  /** Says who the visitor is, from now on and for what came before. */
  identify: (userId: string | number, traits?: Free, options?: { proof?: string }) => void;
  /** Says to which account (organisation) the visitor belongs. */
  group: (accountId: string | number, traits?: Free) => void;
  /** Forgets user and account and becomes a new visitor, e.g. after a logout at a shared device. */
  reset: () => void;
  /** Starts a plug-in later than at the start. */
  use: (plugin: Plugin) => void;
  /** Takes the visitor's answer, and remembers it. `denied` removes everything that was kept in the browser. */
  consent: (answer: Consent) => void;
  /**
   * Sends what is queued. Resolves when the collector has answered, or after `timeoutMs` (default 5,000).
   * Never rejects: what could not be sent stays queued.
   */
  flush: (timeoutMs?: number) => Promise<void>;
};
