import type { Touchpoint } from './touchpoint.ts';
import type { ConsentState } from './consent.ts';
import type { PageContext } from './context.ts';
import type { Store } from './storage.ts';
import type { Tracker, TrackerOptions } from './types.ts';

/** When a plug-in may be called; see `PluginApi.on`. */
export type PageMoment = 'view' | 'leave' | 'show' | 'consent';

/** Returns the touchpoint, changed or not, or `null` to drop it. */
export type Filter = (event: Touchpoint) => Touchpoint | null;

/** What the tracker offers a plug-in. */
export type PluginApi = {
  /** The tracker itself (track, identify, consent …; methods that plug-ins add come too). */
  tracker: Tracker;
  /** The tracker's options, as given. */
  options: TrackerOptions;
  /**
   * Records a touchpoint of any type, e.g. `{ name, properties }`. `place` overrides page and campaign, for what
   * belongs to a page already left: `{ page: viewed() }`.
   */
  add: (event: Partial<Touchpoint>, place?: { page?: unknown }) => void;
  /** The page that the last page view was of: what leaving measurements belong to. */
  viewed: () => PageContext | undefined;
  /**
   * - `view`: a page view has been recorded
   * - `leave`: the next page view is about to be recorded, or the page is hidden: perhaps the last chance to record.
   *   May come twice for one end
   * - `show`: the page is visible again, restored or activated
   * - `consent`: the visitor has answered
   */
  on: (moment: PageMoment, run: () => void) => void;
  /** Sees every touchpoint before it is queued, in the order of the plug-ins and before the option `beforeSend`. */
  filter: (run: Filter) => void;
  /** Small texts by key; keys begin with `milepost.`. In memory until storing is allowed. */
  store: Store;
  /** The answer for analytics now. */
  consent: () => ConsentState;
  /** The browser's anonymous id now. */
  visitorId: () => string;
  /** The id to take where a new one would be made; a browser that has one keeps it. */
  becomeVisitor: (id: string) => void;
  /** Warns in the console, once a text. */
  warn: (text: string) => void;
};

/** What a plug-in adds to the tracker. */
export type Methods = Record<string, (...values: never[]) => unknown>;

/**
 * A plug-in: called once at the start, before the first page view is recorded; never under a server. What it returns
 * becomes methods of the tracker. Whatever it throws, there or in what it has registered, becomes a warning.
 */
export type Plugin<Added extends Methods | void = Methods | void> = ((api: PluginApi) => Added) & {
  /** Stand-ins for its methods under a server. */
  server?: Methods;
};

type OneOf<Plugins extends readonly Plugin[]> = Exclude<ReturnType<Plugins[number]>, void>;

/** The methods that these plug-ins add, all together. */
export type MethodsOf<Plugins extends readonly Plugin[]> = (
  OneOf<Plugins> extends infer Added ? (Added extends Added ? (added: Added) => void : never) : never
) extends (added: infer All) => void
  ? All
  : unknown;
