/** A derived table: what `rebuild` fills again and `verify` compares. */
export type DerivedTable = {
  name: string;
  key: string[];
  /** Bookkeeping that may differ between two right answers. */
  uncompared: string[] | 'all';
  /** What its rows are about: a person (the default), an order, or many persons together. */
  about?: 'order' | 'many';
};

/** Every derived table of schema `store`. */
export const derivedTables: DerivedTable[] = [
  {
    name: 'identity_sightings',
    key: ['site_id', 'identity_id', 'touchpoint_id'],
    uncompared: [],
    about: 'many',
  },
  { name: 'identity_links', key: ['site_id', 'identity_id', 'other_id'], uncompared: [], about: 'many' },
  { name: 'identity_assignments', key: ['site_id', 'identity_id'], uncompared: [], about: 'many' },
  { name: 'identities', key: ['site_id', 'identity_id', 'spell'], uncompared: [] },
  // Timers are indexed by a lower bound of the next due instant, kept only as tight as is cheap.
  {
    name: 'persons',
    key: ['site_id', 'person_id'],
    uncompared: ['next_due_at', 'last_timer_at', 'unkept_count', 'touchpoint_count'],
  },
  // Where checkpoints stand depends on how touchpoints arrived.
  {
    name: 'checkpoints',
    key: ['site_id', 'person_id', 'last_seen_at', 'last_sequence', 'last_touchpoint_id'],
    uncompared: 'all',
  },
  { name: 'sessions', key: ['site_id', 'session_id'], uncompared: [] },
  { name: 'stage_transitions', key: ['site_id', 'person_id', 'transition_number'], uncompared: [] },
  {
    name: 'stage_standings',
    key: ['site_id', 'stage', 'furthest', 'entered_stages'],
    uncompared: [],
    about: 'many',
  },
  {
    name: 'stage_days',
    key: ['site_id', 'day', 'channel', 'stage', 'to_stage', 'step'],
    uncompared: [],
    about: 'many',
  },
  { name: 'stage_lengths', key: ['site_id', 'stage', 'to_stage', 'step'], uncompared: [], about: 'many' },
  { name: 'carts', key: ['site_id', 'cart_key'], uncompared: [] },
  { name: 'cart_holders', key: ['site_id', 'cart_id', 'person_id'], uncompared: [] },
  {
    name: 'order_touchpoints',
    key: ['site_id', 'order_id', 'touchpoint_id'],
    uncompared: [],
    about: 'order',
  },
  { name: 'orders', key: ['site_id', 'order_id'], uncompared: [] },
  { name: 'refunds', key: ['site_id', 'order_id', 'refund_id'], uncompared: [], about: 'order' },
  { name: 'conversions', key: ['site_id', 'conversion_id'], uncompared: [] },
  {
    name: 'person_days',
    key: ['site_id', 'person_id', 'day', 'channel', 'source', 'campaign', 'device'],
    uncompared: [],
  },
  { name: 'accounts', key: ['site_id', 'account_id'], uncompared: [], about: 'many' },
  { name: 'account_stages', key: ['site_id', 'account_id', 'stage'], uncompared: [], about: 'many' },
  {
    name: 'account_members',
    key: ['site_id', 'person_id', 'account_id', 'from_touchpoint_id'],
    uncompared: [],
  },
  {
    name: 'day_metrics',
    key: ['site_id', 'day', 'channel', 'source', 'campaign', 'device'],
    uncompared: [],
    about: 'many',
  },
];
