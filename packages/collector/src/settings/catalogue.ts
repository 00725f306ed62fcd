import type { z } from 'zod';
import {
  boolean,
  count,
  countsByType,
  currency,
  duration,
  durationOrOff,
  durations,
  type Form,
  hosts,
  networks,
  origins,
  timeZone,
  worthlessIds,
} from './forms.ts';

type Setting<AnyForm extends Form = Form> = {
  description: string;
  /** As it would be written; the default of its column of `store.sites`. */
  default: string;
  form: AnyForm;
  /** Whether derived rows depend on it, so that a change must derive the whole history again. */
  readByDerivation: boolean;
  /** Whether it says when a trigger falls due: what a change makes fall due in the past is not sent. */
  decidesDue?: boolean;
};

function setting<AnyForm extends Form>(described: Setting<AnyForm>): Setting<AnyForm> {
  return described;
}

/** Every setting of a site that is a value, by its column of `store.sites`. */
export const catalogue = {
  time_zone: setting({
    description: 'The zone of its days, by IANA name',
    default: 'UTC',
    form: timeZone(),
    readByDerivation: true,
  }),
  currency: setting({
    description: 'What amounts are converted to, by ISO 4217 code',
    default: 'EUR',
    form: currency(),
    readByDerivation: true,
  }),
  allowed_origins: setting({
    description: 'Whose pages may send touchpoints; * for every origin',
    default: '',
    form: origins(),
    readByDerivation: false,
  }),
  own_hosts: setting({
    description: 'Hosts of the site itself, with their subdomains never a referrer',
    default: '',
    form: hosts(),
    readByDerivation: true,
  }),
  excluded_referrers: setting({
    description: 'Other hosts that are no referrer, beside the shipped payment and sign-in hosts',
    default: '',
    form: hosts(),
    readByDerivation: true,
  }),
  internal_networks: setting({
    description: "Addresses of the site's own people: kept and flagged from then on, counted nowhere",
    default: '',
    form: networks(),
    readByDerivation: false,
  }),
  worthless_ids: setting({
    description:
      "Ids that are nobody's, in any case, beside the shipped ones: refused and counted from then on",
    default: '',
    form: worthlessIds(),
    readByDerivation: false,
  }),
  identity_limit: setting({
    description: 'How many identities of one type, but user ids, a person may have',
    default: '5',
    form: count({ least: 1, most: 1_000 }),
    readByDerivation: true,
  }),
  identity_limits: setting({
    description: 'The same for single types of identity',
    default: '{}',
    form: countsByType({ least: 1, most: 1_000 }),
    readByDerivation: true,
  }),
  identity_set_limit: setting({
    description: 'How many identities may resolve to each other',
    default: '1000',
    form: count({ least: 2, most: 10_000 }),
    readByDerivation: true,
  }),
  runaway_limit: setting({
    description: 'Touchpoints within 24 hours over which a person is no human, and gives no signal',
    default: '10000',
    form: count({ least: 1, most: 1_000_000 }),
    readByDerivation: true,
  }),
  consent_required: setting({
    description:
      'Reject touchpoints without analytics consent, and send nothing without consent to marketing',
    default: 'no',
    form: boolean(),
    readByDerivation: false,
  }),
  session_gap: setting({
    description: 'Idle time that ends a session, and after which a touch is a return',
    default: '30 minutes',
    form: duration({ least: '1 second', most: '7 days' }),
    readByDerivation: true,
  }),
  session_limit: setting({
    description: 'Time after its first touchpoint that ends a session; not below session_gap',
    default: '24 hours',
    form: duration({ least: '1 minute', most: '30 days' }),
    readByDerivation: true,
  }),
  is_session_split_by_campaign: setting({
    description: 'Whether another campaign begins a new session; no is how GA4 counts',
    default: 'yes',
    form: boolean(),
    readByDerivation: true,
  }),
  engaged_after: setting({
    description: 'Time in the foreground that makes a session engaged; below session_limit',
    default: '10 seconds',
    form: duration({ least: '0 seconds', most: '24 hours' }),
    readByDerivation: false,
  }),
  cart_delay: setting({
    description: 'Idle time until a cart is abandoned',
    default: '60 minutes',
    form: duration({ least: '1 second', most: '90 days' }),
    readByDerivation: true,
    decidesDue: true,
  }),
  checkout_delay: setting({
    description: 'Idle time until a cart is abandoned once checkout has begun',
    default: '30 minutes',
    form: duration({ least: '1 second', most: '90 days' }),
    readByDerivation: true,
    decidesDue: true,
  }),
  cart_expiry: setting({
    description: 'Idle time until an abandoned cart expires',
    default: '720 hours',
    form: duration({ least: '1 minute', most: '24 months' }),
    readByDerivation: true,
    decidesDue: true,
  }),
  self_recovery_window: setting({
    description: 'How long after its abandonment a cart that is bought counts as recovered by itself',
    default: '720 hours',
    form: duration({ least: '0 seconds', most: '24 months' }),
    readByDerivation: true,
  }),
  lapsed_after: setting({
    description: 'Time without a signal until a customer counts as lapsed',
    default: '4320 hours',
    form: duration({ least: '1 minute', most: '120 months' }),
    readByDerivation: false,
  }),
  trigger_steps: setting({
    description: 'When messages about an abandoned cart are due, counted from the abandonment',
    default: '0 minutes',
    form: durations({ least: '0 seconds', most: '90 days' }, 20),
    readByDerivation: false,
    decidesDue: true,
  }),
  browse_delay: setting({
    description: 'Time without a signal after a product seen until a message is due',
    default: '24 hours',
    form: duration({ least: '1 second', most: '90 days' }),
    readByDerivation: true,
    decidesDue: true,
  }),
  trigger_cap_window: setting({
    description: 'Least time between two first messages to a person',
    default: '24 hours',
    form: duration({ least: '0 seconds', most: '12 months' }),
    readByDerivation: false,
  }),
  higher_tier_window: setting({
    description: 'Time around a message of a higher tier in which those of lower ones are suppressed',
    default: '48 hours',
    form: duration({ least: '0 seconds', most: '12 months' }),
    readByDerivation: false,
  }),
  trigger_stale_after: setting({
    description: 'How long after it was due a message is still sent',
    default: '1 hour',
    form: duration({ least: '1 minute', most: '90 days' }),
    readByDerivation: false,
  }),
  recovery_window: setting({
    description: 'How long after a message was delivered a cart that is bought counts as recovered by it',
    default: '168 hours',
    form: duration({ least: '0 seconds', most: '12 months' }),
    readByDerivation: true,
  }),
  collector_silence_limit: setting({
    description: 'Time after which messages no longer wait for a collector that is silent',
    default: '60 seconds',
    form: duration({ least: '5 seconds', most: '24 hours' }),
    readByDerivation: false,
  }),
  is_refund_by_write_key_accepted: setting({
    description: 'Accept refunds and cancellations by write key, which anybody may use',
    default: 'no',
    form: boolean(),
    readByDerivation: true,
  }),
  oldest_live_touchpoint: setting({
    description: 'How old a touchpoint may be that is not imported',
    default: '13 months',
    form: duration({ least: '1 minute', most: '120 months' }),
    readByDerivation: false,
  }),
  retention: setting({
    description: 'How long touchpoints are kept; off for ever',
    default: 'off',
    form: durationOrOff({ least: '30 days', most: '240 months' }),
    readByDerivation: false,
  }),
  changes_kept: setting({
    description: 'How long the change feed goes back',
    default: '90 days',
    form: duration({ least: '1 hour', most: '120 months' }),
    readByDerivation: false,
  }),
  rejected_kept: setting({
    description: 'How long rejected events are kept',
    default: '30 days',
    form: duration({ least: '1 hour', most: '120 months' }),
    readByDerivation: false,
  }),
  deliveries_kept: setting({
    description: 'How long deliveries of webhooks are kept, with what was sent and answered',
    default: '30 days',
    form: duration({ least: '1 hour', most: '120 months' }),
    readByDerivation: false,
  }),
  counters_kept: setting({
    description: 'How long the counts of a day are kept',
    default: '400 days',
    form: duration({ least: '24 hours', most: '120 months' }),
    readByDerivation: false,
  }),
} satisfies Record<string, Setting>;

export type SettingName = keyof typeof catalogue;

/** Values of settings by name, as they are stored. Absent ones keep what they are. */
export type SettingValues = { [Name in SettingName]?: z.output<(typeof catalogue)[Name]['form']['schema']> };

export const settingNames = Object.keys(catalogue) as SettingName[];

/** The setting of that name. */
export function settingOf(name: SettingName): Setting {
  return catalogue[name];
}

/** Columns of `store.sites` that are no such value, and what they are. */
export const otherColumns = {
  site_id: 'its number',
  name: 'what people call it: milepost site update --name',
  created_at: 'when it was made',
  retained_from: 'what happened before was dropped, by its setting retention',
  person_secret: 'what person ids are keyed by',
  link_secret: 'what links in e-mails are signed with',
  triggers_from: 'when what falls due was last changed',
  model_name: 'its journey model: milepost model apply',
  model_version: 'its journey model: milepost model apply',
  goals: 'its goals: milepost goal apply',
  channels_version: 'counts changes of its channel rules: milepost channel set',
} as const;
