import { agents, arrivalOf, products } from './catalogue.ts';
import { PriorityQueue } from './queue.ts';
import { type Random, seededRandom, uuidV7, weighted, zipf } from './random.ts';

/**
 * The load that every speed figure of Milepost is measured with: five sites (Zipf), 200,000 persons, sessions of
 * eight touchpoints interleaved in time, 3 % of the sessions buying, 10 % of the persons known by a user id, 1 % of
 * the batches sent twice, 1 % of the touchpoints late.
 */
export type BenchOptions = {
  seed: number;
  /** How many different touchpoints to make; resends come on top. */
  touchpoints: number;
  /** The instant the first session begins. */
  startMs: number;
  /** How dense the traffic is in its own time; the default keeps some seven thousand sessions open at once. */
  sessionsPerSecond?: number;
  sites?: number;
  persons?: number;
};

export type BenchBatch = { site: number; events: string[]; isResend: boolean };

export const benchProfile = {
  sites: 5,
  persons: 200_000,
  touchpointsPerSession: 8,
  purchaseShare: 0.03,
  cartShare: 0.1,
  identifiedShare: 0.1,
  resendShare: 0.01,
  lateShare: 0.01,
  batchSize: 20,
  sessionsPerSecond: 50,
  meanSecondsBetweenTouchpoints: 20,
} as const;

const buying = [
  'page_view',
  'view_item_list',
  'view_item',
  'add_to_cart',
  'begin_checkout',
  'add_shipping_info',
  'add_payment_info',
  'purchase',
] as const;
const abandoning = [
  'page_view',
  'view_item_list',
  'view_item',
  'add_to_cart',
  'view_item',
  'view_cart',
  'begin_checkout',
  'page_view',
] as const;
const looking = [
  'page_view',
  'view_item_list',
  'view_item',
  'view_item',
  'search',
  'view_item_list',
  'view_item',
  'page_view',
] as const;

type Session = {
  site: number;
  person: number;
  number: number;
  steps: readonly string[];
  next: number;
  head: string;
  tail: string;
  arrival: string;
  product: number;
};

/** The load as batches of twenty touchpoints of one site each, in the order of sending. */
export function* benchBatches(options: BenchOptions): Generator<BenchBatch> {
  const { seed, touchpoints, startMs } = options;
  const sites = options.sites ?? benchProfile.sites;
  const persons = options.persons ?? benchProfile.persons;
  const meanGapMs = 1_000 / (options.sessionsPerSecond ?? benchProfile.sessionsPerSecond);
  const random = seededRandom(seed);
  const siteByRank = zipf(sites);
  const siteOfPerson = (person: number) => siteByRank(seededRandom(Math.imul(person + 1, 0x85ebca6b)));
  const open = new PriorityQueue<Session>();
  const late = new PriorityQueue<{ site: number; event: string }>();
  const batches: string[][] = Array.from({ length: sites }, () => []);
  let resend: BenchBatch | null = null;
  let sessionStartsAtMs = startMs;
  const sessionLimit = Math.ceil(touchpoints / benchProfile.touchpointsPerSession);
  let sessionCount = 0;

  function* add(site: number, event: string): Generator<BenchBatch> {
    const events = batches[site];
    if (events === undefined) return;
    events.push(event);
    if (events.length === benchProfile.batchSize) yield* finish(site);
  }

  function* finish(site: number): Generator<BenchBatch> {
    const batch: BenchBatch = { site, events: batches[site] ?? [], isResend: false };
    batches[site] = [];
    if (batch.events.length === 0) return;
    yield batch;
    if (resend !== null) yield resend;
    resend = random.chance(benchProfile.resendShare) ? { ...batch, isResend: true } : null;
  }

  // Every session runs to its end, so that the shares hold for the whole.
  while (sessionCount < sessionLimit || open.size > 0) {
    if (sessionCount < sessionLimit && sessionStartsAtMs <= open.nextAt) {
      const person = random.below(persons);
      const session = openSession({ random, person, site: siteOfPerson(person), number: sessionCount });
      const remaining = touchpoints - sessionCount * benchProfile.touchpointsPerSession;
      open.push(sessionStartsAtMs, { ...session, steps: session.steps.slice(0, remaining) });
      sessionCount += 1;
      sessionStartsAtMs += random.wait(meanGapMs);
      continue;
    }
    const atMs = Math.floor(open.nextAt);
    const session = open.pop();
    if (session === undefined) continue;
    while (late.nextAt <= atMs) {
      const delayed = late.pop();
      if (delayed !== undefined) yield* add(delayed.site, delayed.event);
    }
    const event = touchpointText(session, { atMs, random });
    if (random.chance(benchProfile.lateShare)) {
      late.push(atMs + 10_000 + random.below(300_000), { site: session.site, event });
    } else {
      yield* add(session.site, event);
    }
    session.next += 1;
    if (session.next < session.steps.length) {
      const gapMs = Math.min(
        1_200_000,
        500 + random.wait(benchProfile.meanSecondsBetweenTouchpoints * 1_000),
      );
      open.push(atMs + gapMs, session);
    }
  }
  for (let delayed = late.pop(); delayed !== undefined; delayed = late.pop()) {
    yield* add(delayed.site, delayed.event);
  }
  for (let site = 0; site < sites; site += 1) yield* finish(site);
}

const kindOfSession = weighted([
  benchProfile.purchaseShare,
  benchProfile.cartShare,
  1 - benchProfile.purchaseShare - benchProfile.cartShare,
]);

function openSession({
  random,
  person,
  site,
  number,
}: {
  random: Random;
  person: number;
  site: number;
  number: number;
}): Session {
  const agent = agents[person % agents.length];
  const arrival = arrivalOf(random);
  const page = { referrer: arrival.referrer, search: arrival.query };
  return {
    site,
    person,
    number,
    steps: [buying, abandoning, looking][kindOfSession(random)] ?? looking,
    next: 0,
    head: `"anonymous_id":"${anonymousIdOf(person)}"`,
    tail:
      `"userAgent":${JSON.stringify(agent?.userAgent)},"locale":"en-GB",` +
      `"device":{"type":"${agent?.kind}"},"screen":"${agent?.screen}"}}`,
    arrival: JSON.stringify(page).slice(1, -1),
    product: random.below(products.length),
  };
}

/** A UUID that depends on the person alone, as a cookie would keep it. */
function anonymousIdOf(person: number): string {
  return uuidV7(1_750_000_000_000 + person, seededRandom(Math.imul(person + 1, 0xc2b2ae35)));
}

function touchpointText(session: Session, { atMs, random }: { atMs: number; random: Random }): string {
  const name = session.steps[session.next] ?? 'page_view';
  const isKnown = session.person % Math.round(1 / benchProfile.identifiedShare) === 0 && session.next >= 2;
  const user = isKnown ? `,"user_id":"user-${session.person}"` : '';
  const path = pathOf(name, session);
  const arrival = session.next === 0 && session.arrival !== '' ? `,${session.arrival}` : '';
  return (
    `{"id":"${uuidV7(atMs, random)}","name":"${name}","type":"${name === 'page_view' ? 'page' : 'track'}",` +
    `${session.head}${user},"occurred_at":"${new Date(atMs).toISOString()}","source":"web",` +
    `"properties":${propertiesText(name, session)},` +
    `"context":{"page":{"url":"https://shop-${session.site + 1}.example${path}","path":"${path}",` +
    `"title":"Bench shop"${arrival}},${session.tail}`
  );
}

function pathOf(name: string, session: Session): string {
  if (name === 'page_view') return '/';
  if (name === 'view_item' || name === 'add_to_cart') return `/product/${products[session.product]?.item_id}`;
  if (name === 'view_item_list') return `/list/${products[session.product]?.item_category.toLowerCase()}`;
  return name === 'search' ? '/search' : '/checkout';
}

function propertiesText(name: string, session: Session): string {
  const product = products[session.product];
  if (product === undefined || name === 'page_view') return '{}';
  if (name === 'search') return '{"search_term":"grinder"}';
  if (name === 'view_item_list') return `{"item_list_name":"${product.item_category}"}`;
  const order = name === 'purchase' ? `"transaction_id":"order-${session.person}-${session.number}",` : '';
  const cart = name === 'view_item' ? '' : `"cart_id":"cart-${session.person}-${session.number}",`;
  return (
    `{${order}${cart}"currency":"EUR","value":${product.price},` +
    `"items":[{"item_id":"${product.item_id}","item_name":"${product.item_name}",` +
    `"item_category":"${product.item_category}","price":${product.price},"quantity":1}]}`
  );
}
