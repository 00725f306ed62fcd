export { createTracker } from './tracker.ts';
export type { Consent, ConsentState, Tracker, TrackerOptions } from './tracker.ts';
export type { Commerce, CommerceEvents, Item } from './commerce.ts';
export type { LossReason } from './delivery.ts';
