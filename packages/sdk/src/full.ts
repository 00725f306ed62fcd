import type { Plugin } from './plugin.ts';
import { attributes } from './plugins/attributes.ts';
import { clicks, type ClicksOptions } from './plugins/clicks.ts';
import { datalayer, type DatalayerOptions } from './plugins/datalayer.ts';
import { engagement, type EngagementOptions } from './plugins/engagement.ts';
import { errors, type ErrorsOptions } from './plugins/errors.ts';
import { forms } from './plugins/forms.ts';
import { journey, type JourneyOptions } from './plugins/journey.ts';
import { linker, type LinkerOptions } from './plugins/linker.ts';
import { notFound, type NotFoundOptions } from './plugins/not-found.ts';
import { search, type SearchOptions } from './plugins/search.ts';
import { segment, type SegmentOptions } from './plugins/segment.ts';
import { vitals } from './plugins/vitals.ts';
import { start } from './start.ts';
import type { TrackerOptions } from './types.ts';

/** What `milepost.full.js` does beside the core. `false` switches off what is on; options change how it is done. */
export type AutoOptions = {
  /** Elements with `data-milepost-event`. Default: on. */
  attributes?: boolean;
  /** Outbound links and downloads, rage and dead clicks. Default: on. */
  clicks?: boolean | ClicksOptions;
  /** How far a page was scrolled. Default: on. */
  engagement?: boolean | EngagementOptions;
  /** Script errors and unhandled rejections. Default: on. */
  errors?: boolean | ErrorsOptions;
  /** Forms begun, sent and left. Default: on. */
  forms?: boolean;
  /** Reading back by `journey()`; asks nothing until it is called. Default: on. */
  journey?: boolean | JourneyOptions;
  /** Pages that were not found. Default: on. */
  notFound?: boolean | NotFoundOptions;
  /** The site's own search, by the address. Default: on. */
  search?: boolean | SearchOptions;
  /** Core Web Vitals. Default: on. */
  vitals?: boolean;
  /** Listens to an existing GA4 data layer. Default: off. */
  datalayer?: boolean | DatalayerOptions;
  /** Listens to an existing Segment `analytics`. Default: off. */
  segment?: boolean | SegmentOptions;
  /** Carries the visitor to other domains of the site. Default: off, for it needs their hosts. */
  linker?: LinkerOptions;
};

type Options = TrackerOptions & { auto?: AutoOptions };
type Factory = (wish: unknown) => Plugin;

// in this order: the linker cleans the address, and the data layer may know of consent, before anything is recorded
const onWish = { linker, datalayer, segment };
const always = { attributes, clicks, engagement, errors, forms, journey, notFound, search, vitals };

const { auto } = (globalThis as { milepost?: { o?: Options } }).milepost?.o ?? {};
const plugins = Object.entries({ ...onWish, ...always }).flatMap(([name, factory]) => {
  const wish = auto?.[name as 'vitals'] ?? name in always;
  // `true` has none of the options, and so all defaults
  return wish ? (factory as Factory)(wish) : [];
});
start({ plugins });
