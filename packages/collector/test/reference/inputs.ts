/** What the reference model reads: the stored touchpoints of one site, its settings and rates, and one instant. */
import type { Rate } from './rates.ts';

import type { Goal } from './goals.ts';
import type { Document } from './machine.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** One row of store.touchpoints, times in milliseconds. */
export type Touchpoint = {
  touchpoint_id: string;
  occurred_at: number;
  sequence: number;
  name: string;
  type: string;
  source: string;
  anonymous_id: string | null;
  user_id: string | null;
  account_id: string | null;
  /** The other identities: lists by type. */
  identities: Record<string, string[]> | null;
  properties: JsonObject | null;
  traits: JsonObject | null;
  context: JsonObject | null;
  is_trusted: boolean;
  bot_reason: string | null;
  internal_reason: string | null;
};

/** What the log of triggers says was sent about a cart, and when, in milliseconds. */
export type Delivery = { cart_key: string; delivered_at: number };

/** A stage set by hand, about whoever a touchpoint of that identity would belong to. */
export type Override = {
  override_id: string;
  type: string;
  value: string;
  stage: string;
  from: number;
  until: number | null;
};

/** A channel rule of a site's own; a condition that is null says nothing. */
export type ChannelRule = {
  channel: string;
  sources: string[] | null;
  source_pattern: string | null;
  mediums: string[] | null;
  medium_pattern: string | null;
  campaigns: string[] | null;
  campaign_pattern: string | null;
  source_category: string | null;
  is_any: boolean;
};

/** What somebody said by hand of two identities. */
export type Correction = {
  kind: 'join' | 'share' | 'alias';
  one: { type: string; value: string };
  other: { type: string; value: string };
  word: 'merge' | 'sever';
  at: number;
};

/** The settings derivation reads; durations in milliseconds. */
export type Settings = {
  person_secret: Buffer;
  time_zone: string;
  currency: string;
  /** An input of its own, kept with the settings for short. */
  rates: Rate[];
  session_gap: number;
  session_limit: number;
  is_session_split_by_campaign: boolean;
  engaged_after: number;
  cart_delay: number;
  checkout_delay: number;
  cart_expiry: number;
  self_recovery_window: number;
  recovery_window: number;
  lapsed_after: number;
  is_refund_by_write_key_accepted: boolean;
  own_hosts: string[];
  excluded_referrers: string[];
  /** The site's own, in order. */
  channel_rules: ChannelRule[];
  model_version: number;
  /** The document of the site's model; null is `ecommerce`. */
  model: Document | null;
  overrides: Override[];
  goals: Goal[];
  identity_limit: number;
  identity_limits: Record<string, number>;
  identity_set_limit: number;
  corrections: Correction[];
  runaway_limit: number;
};

export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;

/** The defaults of SEMANTICS, except the secret. */
export const defaultSettings: Omit<Settings, 'person_secret'> = {
  time_zone: 'UTC',
  currency: 'EUR',
  rates: [],
  session_gap: 30 * minute,
  session_limit: 24 * hour,
  is_session_split_by_campaign: true,
  engaged_after: 10 * second,
  cart_delay: 60 * minute,
  checkout_delay: 30 * minute,
  cart_expiry: 30 * day,
  self_recovery_window: 30 * day,
  recovery_window: 7 * day,
  lapsed_after: 180 * day,
  is_refund_by_write_key_accepted: false,
  own_hosts: [],
  excluded_referrers: [],
  channel_rules: [],
  model_version: 1,
  model: null,
  overrides: [],
  goals: [{ name: 'purchase', event: 'purchase', counting: 'every_time', is_primary: true }],
  identity_limit: 5,
  identity_limits: {},
  identity_set_limit: 1_000,
  corrections: [],
  runaway_limit: 10_000,
};

/** The order of section 2: (occurred_at, sequence, touchpoint_id). */
export function byOrder(a: Touchpoint, b: Touchpoint): number {
  if (a.occurred_at !== b.occurred_at) return a.occurred_at - b.occurred_at;
  if (a.sequence !== b.sequence) return a.sequence - b.sequence;
  return a.touchpoint_id < b.touchpoint_id ? -1 : a.touchpoint_id > b.touchpoint_id ? 1 : 0;
}

/** Bots and internal traffic stand in no derived view. */
export function isHuman(touchpoint: Touchpoint): boolean {
  return touchpoint.bot_reason === null && touchpoint.internal_reason === null;
}

/** Calls of type identify, group and alias carry identity and traits only. */
export function isAct(touchpoint: Touchpoint): boolean {
  return !['identify', 'group', 'alias'].includes(touchpoint.type);
}

export function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** The items by their key, keys in the order of their first item. */
export function groupedBy<T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item)) ?? [];
    group.push(item);
    groups.set(keyOf(item), group);
  }
  return groups;
}
