export { createTracker } from './tracker.ts';
export type { Tracker, TrackerOptions } from './tracker.ts';
export type { Consent, ConsentState } from './consent.ts';
export type { Commerce, CommerceEvents, Item } from './commerce.ts';
export type { LossReason } from './delivery.ts';
