import { z } from 'zod';
import { maxIdLength, maxNameLength, maxValueLength } from './limits.ts';

// Only zod here: the SDK takes these types, and neither Node nor the DOM may come along.

/** How Segment's API calls are told apart; a touchpoint without one is a `track`. */
export const touchpointTypes = ['track', 'page', 'screen', 'identify', 'group', 'alias'] as const;
/** One of {@link touchpointTypes}. */
export type TouchpointType = (typeof touchpointTypes)[number];

/** Where an interaction happened, which is not how it reached us (`ingested_by`). */
export const sources = ['web', 'app', 'server', 'store', 'phone', 'email', 'support', 'event'] as const;
/** One of {@link sources}. */
export type Source = (typeof sources)[number];

/** An identity's value. Whole numbers are read as their text, for many databases number their users. */
const identityValue = z.union([z.string().max(maxValueLength), z.int()]);

/** ISO 8601 (UTC where it names no zone), or milliseconds since 1970. */
const time = z.union([z.string().max(64), z.number()]);

const consentState = z.union([z.enum(['granted', 'denied', 'pending']), z.boolean()]);

/** What the visitor agreed to: one answer for all, or one per purpose. Absent means granted unless the site requires it. */
export const consentSchema = z.union([
  consentState,
  z.looseObject({ analytics: consentState.optional(), marketing: consentState.optional() }),
]);
/** {@link consentSchema} as a type. */
export type Consent = z.infer<typeof consentSchema>;

/** A text; a number is read as one, for tag managers make numbers of campaign ids. */
const text = z.union([z.string(), z.number()]).nullish();

/** The circumstances of a touchpoint. Every field is optional, unknown ones are kept. */
export const contextSchema = z.looseObject({
  page: z.looseObject({ url: text, path: text, title: text, referrer: text, search: text }).nullish(),
  campaign: z
    .looseObject({ source: text, medium: text, name: text, term: text, content: text, id: text })
    .nullish(),
  device: z.looseObject({}).nullish(),
  library: z.looseObject({ name: text, version: text }).nullish(),
  consent: consentSchema.nullish(),
  locale: text,
  timezone: text,
  userAgent: text,
});
/** {@link contextSchema} as a type. */
export type Context = z.input<typeof contextSchema>;

/** One touchpoint as it travels. Unknown fields are ignored, not refused. */
export const touchpointSchema = z.object({
  /** UUID v7, kept as it is; any other text up to 100 characters is mapped (`touchpointIdOf`). */
  id: z.string().min(1).max(maxIdLength),
  /** The event's name; canonical are GA4's. Only `track` needs one, the other types have theirs. */
  name: z.string().max(maxNameLength).nullish(),
  anonymous_id: identityValue.nullish(),
  user_id: identityValue.nullish(),
  /** Hex HMAC-SHA-256 of the user id, made by the site's server. */
  user_proof: z.string().nullish(),
  /** Other identities by type, e.g. `{ email_sha256: '…', loyalty_card: ['1', '2'] }`. */
  identities: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_]{0,49}$/),
      z.union([identityValue, z.array(identityValue).max(20)]),
    )
    .nullish(),
  /** Of an alias: an earlier id of the user. */
  previous_id: identityValue.nullish(),
  account_id: identityValue.nullish(),
  occurred_at: time,
  /** Order among touchpoints of one instant; lower comes first. */
  sequence: z.union([z.int(), z.string().regex(/^-?\d{1,15}$/)]).nullish(),
  type: z.enum(touchpointTypes).nullish(),
  properties: z.record(z.string(), z.unknown()).nullish(),
  traits: z.record(z.string(), z.unknown()).nullish(),
  context: contextSchema.nullish(),
  source: z.enum(sources).nullish(),
});
/** One touchpoint as a client writes it. */
export type Touchpoint = z.input<typeof touchpointSchema>;

/** The body of `POST /v1/events`. Its touchpoints are judged one by one, so here they are `unknown`. */
export const batchSchema = z.object({
  /** The client's clock when it sent; the skew rule compares it with ours. An unreadable one counts as missing. */
  sent_at: time.nullish(),
  /** Circumstances that all touchpoints of the batch share. A touchpoint's own context wins, key by key. */
  context: contextSchema.nullish(),
  writeKey: z.string().nullish(),
  write_key: z.string().nullish(),
  /** What the SDK lost since the last batch, by reason (`readLosses`); not worth refusing a batch for. */
  lost: z.unknown().optional(),
  batch: z.array(z.unknown()),
});
/** A batch whose touchpoints nobody has judged yet. */
export type UnjudgedBatch = z.input<typeof batchSchema>;
/** A batch as a client writes it. */
export type Batch = Omit<UnjudgedBatch, 'batch' | 'lost'> & {
  batch: Touchpoint[];
  lost?: Record<string, number>;
};

/** A number, or the text of one. */
const amount = z.union([z.number(), z.string()]);

/** One line of a cart or an order, in GA4's words. A missing quantity is 1. */
export const itemSchema = z.looseObject({
  item_id: z.union([z.string(), z.number()]),
  item_name: text,
  item_brand: text,
  item_category: text,
  item_variant: text,
  item_list_id: text,
  item_list_name: text,
  coupon: text,
  index: amount.nullish(),
  price: amount.nullish(),
  quantity: amount.nullish(),
  discount: amount.nullish(),
});
/** {@link itemSchema} as a type. */
export type Item = z.input<typeof itemSchema>;

/** Properties of the ecommerce events, in GA4's words. */
export const ecommerceSchema = z.looseObject({
  currency: text,
  value: amount.nullish(),
  items: z.array(itemSchema).nullish(),
  cart_id: text,
  coupon: text,
  transaction_id: text,
  tax: amount.nullish(),
  shipping: amount.nullish(),
  discount: amount.nullish(),
  shipping_tier: text,
  payment_type: text,
  refund_id: text,
  item_list_id: text,
  item_list_name: text,
});
/** {@link ecommerceSchema} as a type. */
export type EcommerceProperties = z.input<typeof ecommerceSchema>;
