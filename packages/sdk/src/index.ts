export { createTracker } from './tracker.ts';
export type { EventPlan, Tracker, TrackerOptions } from './types.ts';
export type { Filter, Methods, MethodsOf, PageMoment, Plugin, PluginApi } from './plugin.ts';
export type { Consent, ConsentState } from './consent.ts';
export type { PageContext } from './context.ts';
export type { Store } from './storage.ts';
export type { Commerce, CommerceEvents, Item } from './commerce.ts';
export type { LossReason } from './delivery.ts';
