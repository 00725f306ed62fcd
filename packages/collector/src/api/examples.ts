import type { DebugEvent } from '../debug/events.ts';
import { madeLink } from '../ingest/links/make.ts';
import answers from './examples.json' with { type: 'json' };

/** The first change of the list as the stream tells it. */
function eventOf([change]: { cursor: string; type: string }[]): string {
  return `id: ${change?.cursor}\nevent: ${change?.type}\ndata: ${JSON.stringify(change)}\n\n`;
}

const exampleLink = madeLink(
  { user_id: 'ada', target: 'https://shop.example/boots', expires_at: '2029-12-31T00:00:00Z' },
  { siteId: 1, secret: new Uint8Array(32), now: 0, origin: 'https://data.shop.example' },
);
const exampleSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=';
const waiting = { ...answers.getDelivery, state: 'pending', next_attempt_at: answers.getDelivery.created_at };

const arrivals: DebugEvent[] = [
  {
    type: 'touchpoint',
    verdict: 'accepted',
    touchpoint_id: '0199a5d2-7c00-7000-8000-000000000001',
    received_at: '2026-11-20T09:30:00.412Z',
    occurred_at: '2026-11-20T09:30:00.000Z',
    name: 'add_to_cart',
    call: 'track',
    source: 'web',
    ingested_by: 'events',
    visitor_id: 'visitor-1',
    user_id: null,
    page: '/boots',
    properties: { currency: 'EUR', value: 59.9 },
    reasons: [],
  },
  {
    type: 'derived',
    touchpoint_id: '0199a5d2-7c00-7000-8000-000000000001',
    name: 'add_to_cart',
    person_id: '9f772e09-7677-8c8f-aee9-87fc2f68338d',
    session_id: '0199a5d2-7c00-7000-8000-000000000000',
    channel: 'Direct',
    signal: 'decide',
    stage: 'decision',
    transition: {
      from_stage: 'awareness',
      to_stage: 'decision',
      direction: 'forward',
      rule: 'add_to_cart',
      skipped_stages: ['consideration'],
    },
  },
];

/**
 * What each operation answers, by its id: real answers, written and compared by the test of the examples. What changes
 * something answers as what reads it does, and a stream tells what a list does.
 */
export const examples: Record<string, unknown> = {
  ...answers,
  putGoals: answers.getGoals,
  patchSite: answers.getSite,
  makeLinks: exampleLink,
  mergePersons: {
    action: 'merge',
    from: '0b9d1c0e-6f5a-8d2b-9c3e-5a7f1e2d4c6b',
    into: '9f772e09-7677-8c8f-aee9-87fc2f68338d',
    links: [
      {
        kind: 'alias',
        identity: { type: 'user_id', value: 'ada.lovelace' },
        other: { type: 'user_id', value: 'ada' },
      },
    ],
    author: 'desk',
    note: 'asked by mail',
    corrected_at: '2026-11-20T12:00:00.000Z',
  },
  unmergePerson: {
    action: 'unmerge',
    person_id: '9f772e09-7677-8c8f-aee9-87fc2f68338d',
    former_person_id: '0b9d1c0e-6f5a-8d2b-9c3e-5a7f1e2d4c6b',
    links: [
      {
        kind: 'alias',
        identity: { type: 'user_id', value: 'ada.lovelace' },
        other: { type: 'user_id', value: 'ada' },
      },
    ],
    author: 'desk',
    note: null,
    corrected_at: '2026-11-20T13:00:00.000Z',
  },
  createWebhook: { ...answers.getWebhook, secret: exampleSecret },
  updateWebhook: answers.getWebhook,
  rotateWebhookSecret: { secret: exampleSecret, earlier_hold_until: '2026-11-21T09:00:00.000Z' },
  replayDelivery: waiting,
  replayDeliveries: { replayed: 12 },
  replayRejected: { replayed: 3, stored: 1, duplicates: 1, rejected: 1 },
  pingWebhook: { ...waiting, type: 'webhook.ping', person_id: null },
  streamChanges: eventOf(answers.listChanges.changes),
  watchArrivals: arrivals.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''),
};
