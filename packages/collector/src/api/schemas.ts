import { z } from 'zod';

/** What the Stage API answers. Names and meanings are those of the views in schema `journey`. */

// an instant as the API prints it
const instant = (description: string) =>
  z.iso.datetime().meta({ description, examples: ['2026-11-20T09:30:00.000Z'] });
const money = (description: string) =>
  z
    .string()
    .meta({ description: `${description} A decimal as text, so that no cent is lost.`, examples: ['59.90'] });
const currency = z
  .string()
  .nullable()
  .meta({ description: 'ISO 4217.', examples: ['EUR'] });
const count = (description: string) => z.number().int().meta({ description });
const share = (description: string) =>
  z
    .number()
    .nullable()
    .meta({ description: `${description} Between 0 and 1.` });
const text = (description: string) => z.string().meta({ description });
const maybe = (description: string) => z.string().nullable().meta({ description });

const personId = z
  .string()
  .meta({ format: 'uuid', description: 'The person. Stays the same through rebuilds.' });
const userId = maybe('The shop’s own id of the person; null while anonymous.');
const customerStatus = z
  .enum(['lead', 'customer', 'repeat_customer'])
  .meta({ description: 'By number of orders: none, one, more.' });

export const stageSchema = z
  .object({
    stage: text('Name of the stage in the journey model.'),
    position: count('1 for the first stage of the model.'),
    person_count: count('Persons who stand in it now.'),
    share: share('Of all persons who have a stage. Null when nobody has one.'),
    reached_count: count('Persons whose furthest stage is this one or a later one, wherever they stand now.'),
    rate_from_previous: share(
      'Of those who ever reached the stage before, those who reached this one. Null for the first stage.',
    ),
    rate_to_next: share(
      'Of those who ever reached this stage, those who reached the next one. Null for the last stage.',
    ),
    stay_count: count(
      'Completed stays: how often somebody has left it, or begun it anew by another purchase.',
    ),
    median_seconds: z.number().nullable().meta({
      description: 'Median length of those stays. Stays that last are not in it; null when there is none.',
    }),
  })
  .meta({ id: 'Stage' });

export const stagesSchema = z
  .object({
    as_of: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'The instant this is true for; null before the first touchpoint.' }),
    model: z
      .object({ name: z.string(), version: z.number().int() })
      .meta({ description: 'The journey model in force.' }),
    person_count: count('Persons who have a stage.'),
    stages: z.array(stageSchema).meta({ description: 'In the order of the model.' }),
  })
  .meta({ id: 'Stages' });

export const stagePersonSchema = z
  .object({
    person_id: personId,
    user_id: userId,
    stage: text('The stage asked for.'),
    furthest_stage: text('The furthest stage ever reached, over all journeys.'),
    since: instant('When the person entered the stage.'),
    journey_number: count('1 for the first journey; one more with each new decision after a purchase.'),
    is_customer: z.boolean().meta({ description: 'Whether there was ever an order.' }),
    customer_status: customerStatus,
    order_count: count('Orders, refunded or not.'),
    is_fully_refunded: z.boolean().meta({ description: 'Whether every one of them was refunded whole.' }),
    lapsed: z
      .boolean()
      .meta({ description: 'A customer without a signal for the site’s lapse time (180 days by default).' }),
    last_signal_at: instant('The last touchpoint that said something about the stage.'),
  })
  .meta({ id: 'StagePerson' });

export const identitySchema = z
  .object({
    type: z
      .string()
      .meta({ description: 'user_id, anonymous_id, email_sha256 …', examples: ['anonymous_id'] }),
    value: z.string(),
    first_seen_at: instant('First touchpoint of this spell.'),
    last_seen_at: instant('Last touchpoint of this spell.'),
    valid_from: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'Since when it speaks for this person; null: from the start.' }),
    valid_to: z.iso.datetime().nullable().meta({ description: 'Until when; null: still.' }),
    cause: maybe('What joined it to the person.'),
    former_person_id: z
      .string()
      .nullable()
      .meta({ format: 'uuid', description: 'The person it was before the join; answers 308 to this one.' }),
  })
  .meta({ id: 'Identity' });

export const personSchema = z
  .object({
    person_id: personId,
    user_id: userId,
    stage: maybe('Where the person stands now; null before the first signal.'),
    furthest_stage: maybe('The furthest stage ever reached, over all journeys.'),
    since: z.iso.datetime().nullable().meta({ description: 'When the person entered the stage.' }),
    journey_number: z.number().int().nullable().meta({ description: '1 for the first journey.' }),
    lapsed: z
      .boolean()
      .meta({ description: 'A customer without a signal for the site’s lapse time (180 days by default).' }),
    last_signal_at: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'The last touchpoint that said something about the stage.' }),
    model_version: z
      .number()
      .int()
      .nullable()
      .meta({ description: 'The version of the journey model that says so.' }),
    is_customer: z.boolean().meta({ description: 'Whether there was ever an order.' }),
    customer_status: customerStatus,
    order_count: count('Orders, refunded or not.'),
    is_fully_refunded: z.boolean().meta({ description: 'Whether every one of them was refunded whole.' }),
    net_revenue: money('Revenue less refunds, in the site’s currency.'),
    currency,
    first_seen_at: instant('First touchpoint.'),
    last_seen_at: instant('Last touchpoint.'),
    first_channel: maybe('The channel of the first touchpoint.'),
    traits: z.record(z.string(), z.unknown()).meta({
      description: 'The latest value of each trait. `email` and `phone` only with the scope read:contacts.',
    }),
    identities: z
      .array(identitySchema)
      .meta({ description: 'Every identity that resolves to this person, by first sight.' }),
  })
  .meta({ id: 'Person' });

export const accountSchema = z
  .object({
    account_id: z.string().meta({ description: 'The site’s own id of the account.', examples: ['acme'] }),
    stage: maybe('The furthest stage that a present member holds now; null while no member has one.'),
    member_count: count('Present members.'),
    members_by_stage: z
      .record(z.string(), z.number().int())
      .meta({ description: 'Present members by the stage they hold now.' }),
    traits: z
      .record(z.string(), z.unknown())
      .meta({ description: 'The latest value of each trait that group calls told of the account.' }),
    first_seen_at: instant('First touchpoint that named the account.'),
    last_seen_at: instant('Latest touchpoint that named the account.'),
    order_count: count('Orders of the present members, refunded or not.'),
    net_revenue: money('Revenue of those orders less refunds, in the site’s currency.'),
    currency,
  })
  .meta({ id: 'Account' });

export const accountMemberSchema = z
  .object({
    person_id: personId,
    user_id: userId,
    role: maybe('The role in the account, the last one told.'),
    stage: maybe('The stage the person holds now; null before the first signal.'),
    furthest_stage: maybe('The furthest stage the person ever reached.'),
    valid_from: instant('When the membership began.'),
    valid_to: z.iso.datetime().nullable().meta({ description: 'When it ended; null for a present member.' }),
    order_count: count('Orders of the person, refunded or not.'),
    net_revenue: money('Revenue of the person less refunds, in the site’s currency.'),
  })
  .meta({ id: 'AccountMember' });

export const accountWithMembersSchema = accountSchema
  .extend({
    members: z.array(accountMemberSchema).meta({ description: 'One page of memberships, by `person_id`.' }),
    next_cursor: maybe('Opens the next page of members; null on the last one.'),
  })
  .meta({ id: 'AccountWithMembers' });

export const meSchema = z
  .object({
    stage: maybe(
      'Where the visitor’s person stands now; null before the first signal, and where nothing may be told.',
    ),
    furthest_stage: maybe('The furthest stage ever reached, over all journeys.'),
    since: z.iso.datetime().nullable().meta({ description: 'When the person entered the stage.' }),
    is_customer: z
      .boolean()
      .nullable()
      .meta({ description: 'Whether there was ever an order; null where nothing may be told.' }),
    segments: z.array(z.string()).meta({ description: 'Public segments the person is in.' }),
    variants: z
      .record(z.string(), z.string())
      .meta({ description: 'The visitor’s variant of each experiment that runs.' }),
  })
  .meta({ id: 'Me' });

export const transitionSchema = z
  .object({
    transition_id: text('Stays the same through rebuilds.'),
    person_id: personId,
    journey_number: count('The journey after the transition.'),
    from_stage: maybe('Null for the first.'),
    to_stage: text('The stage entered.'),
    occurred_at: instant('When it happened.'),
    cause: z.enum(['touchpoint', 'timer', 'override']),
    touchpoint_id: maybe('The touchpoint that caused it.'),
    signal: maybe('What that touchpoint said; null for timers and overrides.'),
    rule: maybe('The rule of the journey model that decided.'),
    model_version: count('The version of the journey model.'),
    direction: z.enum(['forward', 'backward', 'same']),
    skipped_stages: z.array(z.string()).meta({ description: 'Stages strictly between, for moves forward.' }),
    author: maybe('Who made an override.'),
    seconds_in_from_stage: z
      .number()
      .nullable()
      .meta({ description: 'Time spent in the stage it leaves; null for the first.' }),
  })
  .meta({ id: 'Transition' });

export const cartStates = [
  'open',
  'abandoned',
  'purchased',
  'recovered',
  'self_recovered',
  'emptied',
  'expired',
] as const;

export const cartSchema = z
  .object({
    cart_key: text('The id of the touchpoint that opened it: one per round of a cart id.'),
    cart_id: maybe('The shop’s own cart id; null for the person’s implicit cart.'),
    person_id: personId,
    user_id: userId,
    state: z.enum(cartStates),
    lines: z
      .array(z.record(z.string(), z.unknown()))
      .meta({ description: 'What is in it, by product and variant.' }),
    item_count: z.number().meta({ description: 'Sum of the quantities; a missing one is 1.' }),
    value: z
      .string()
      .nullable()
      .meta({ description: 'A decimal as text; null when lines differ in currency and no rate is known.' }),
    currency,
    furthest_step: z.enum(['cart', 'checkout', 'shipping', 'payment']),
    tier: z
      .enum(['cart', 'checkout'])
      .nullable()
      .meta({ description: 'How far it came before it was abandoned; null while never abandoned.' }),
    opened_at: instant('When it was opened.'),
    last_activity_at: instant('Its last cart or checkout touchpoint.'),
    abandoned_at: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'End of its last episode of silence; null while never abandoned.' }),
    first_abandoned_at: z.iso.datetime().nullable(),
    abandonment_count: count('How often it was abandoned.'),
    order_id: maybe('The order that closed it.'),
    recovery_url: maybe('Where the shop said the cart can be taken up again.'),
  })
  .meta({ id: 'Cart' });

export const orderSchema = z
  .object({
    order_id: text('The shop’s order id.'),
    person_id: personId,
    user_id: userId,
    session_id: maybe('The session it happened in.'),
    occurred_at: instant('When it was placed.'),
    gross: z.string().nullable().meta({ description: 'Order value, a decimal as text.' }),
    refunded: money('What was given back.'),
    net: z.string().nullable().meta({ description: 'Gross less refunded.' }),
    currency,
    gross_site: z
      .string()
      .nullable()
      .meta({ description: 'Gross in the site’s currency; null when no rate is known.' }),
    refunded_site: z.string().nullable(),
    net_site: z.string().nullable(),
    channel: maybe('The channel that brought it.'),
  })
  .meta({ id: 'Order' });
