import { Deriver } from '@milepost/collector/derive/derive';

import { quantile } from './load.ts';
import { type Report, say } from './report.ts';
import type { Stand } from './stand.ts';
import { rowsOf, storeTogether } from './traffic.ts';

/** Touchpoints of a short history: what a long one is compared with. */
const shortHistory = 100;
const shortPersons = 10;
/** How far before the end a touchpoint comes late. */
const lateBy = 100;
const millisecondsBetween = 200_000;
const touchpointsAtOnce = 2_000;

const names = [
  'page_view',
  'view_item',
  'view_item',
  'add_to_cart',
  'page_view',
  'begin_checkout',
  'view_item',
  'page_view',
] as const;

/** Somebody whose history grows at its end; `length` is where that is. */
type Visitor = { name: string; number: number; length: number; late: number };

/**
 * What one touchpoint costs to derive by the length of its person's history: in order at the end of a short and of a
 * long one, late a hundred before the end of the long one, and late in its middle. Each is one touchpoint stored and
 * one call of derivation for it alone; short and long take turns, so that both meet the same machine.
 */
export async function longPerson(
  stand: Stand,
  report: Report,
  { history, calls }: { history: number; calls: number },
): Promise<void> {
  const deriver = await Deriver.open(stand.pool);
  try {
    const startMs = Date.now() - (history + 5_000) * millisecondsBetween;
    const siteId = stand.sites[0]?.siteId ?? 0;
    const put = (events: object[]) =>
      storeTogether(
        stand.pool,
        rowsOf(
          siteId,
          events.map((event) => JSON.stringify(event)),
        ),
      );
    const long: Visitor = { name: 'long', number: 0, length: 0, late: 0 };
    const shorts: Visitor[] = Array.from({ length: shortPersons }, (_, number) => ({
      name: `short ${number}`,
      number: number + 1,
      length: 0,
      late: 0,
    }));
    const next = (visitor: Visitor) => inOrder(visitor, startMs);
    say(`long-person: a history of ${history} touchpoints, derived ${touchpointsAtOnce} at a time`);
    while (long.length < history) {
      const count = Math.min(touchpointsAtOnce, history - long.length);
      await put(Array.from({ length: count }, () => next(long)));
      while ((await deriver.deriveBatches()) > 0);
    }
    for (const short of shorts) await put(Array.from({ length: shortHistory }, () => next(short)));
    while ((await deriver.deriveBatches()) > 0);
    await stand.pool.query('vacuum analyze');

    async function timed(event: object): Promise<number> {
      await put([event]);
      const startedAt = performance.now();
      const count = await deriver.deriveBatches();
      const ms = performance.now() - startedAt;
      if (count !== 1) throw new Error(`${count} touchpoints were derived, one was stored`);
      return ms;
    }

    say(`long-person: ${calls} touchpoints each`);
    const short: number[] = [];
    const ordered: number[] = [];
    const late: number[] = [];
    const warmUp = 20;
    for (let call = -warmUp; call < calls; call += 1) {
      const visitor = shorts[(call + warmUp) % shortPersons] ?? long;
      const times = [
        await timed(next(visitor)),
        await timed(next(long)),
        await timed(tooLate(long, startMs, long.length - lateBy)),
      ];
      if (call < 0) continue; // plans and caches
      short.push(times[0] ?? Number.NaN);
      ordered.push(times[1] ?? Number.NaN);
      late.push(times[2] ?? Number.NaN);
    }
    const middle: number[] = [];
    for (let call = 0; call < 5; call += 1) {
      middle.push(await timed(tooLate(long, startMs, Math.floor(history / 2) + call)));
    }

    const told = (times: number[]) => ({
      p50: quantile(times, 0.5),
      p90: quantile(times, 0.9),
      least: Math.min(...times),
    });
    const [atShort, atLong, atLate] = [quantile(short, 0.5), quantile(ordered, 0.5), quantile(late, 0.5)];
    report.add({
      name: 'long_person_in_order',
      figure: atLong,
      unit: 'ms',
      limit: { what: `the same with a history of ${shortHistory}`, figure: atShort },
      ratio: atLong / atShort,
      bar: { at_most: 1.5 },
      details: { history, calls, ms: told(ordered), short_ms: told(short) },
    });
    report.add({
      name: 'long_person_late',
      figure: atLate,
      unit: 'ms',
      limit: { what: 'one in order', figure: atLong },
      ratio: atLate / atLong,
      bar: { at_most: 5 },
      details: {
        history,
        calls,
        before_the_end: lateBy,
        ms: told(late),
        in_the_middle_ms: told(middle),
        in_the_middle_ratio: quantile(middle, 0.5) / atLong,
      },
    });
  } finally {
    await deriver.close();
  }
}

/** The visitor's next touchpoint. */
function inOrder(visitor: Visitor, startMs: number): object {
  const position = visitor.length;
  visitor.length += 1;
  const isPurchase = position % 97 === 96;
  const name = isPurchase ? 'purchase' : (names[position % names.length] ?? 'page_view');
  return touchpoint(visitor, { name, atMs: startMs + position * millisecondsBetween, serial: position });
}

/** One that happened just after the touchpoint at `position`, though others after it are derived. */
function tooLate(visitor: Visitor, startMs: number, position: number): object {
  visitor.late += 1;
  const atMs = startMs + position * millisecondsBetween + 7 + visitor.late;
  return touchpoint(visitor, { name: 'view_item', atMs, serial: 1e9 + visitor.late });
}

function touchpoint(
  { name: anonymousId, number }: Visitor,
  { name, atMs, serial }: { name: string; atMs: number; serial: number },
): object {
  const time = hex(atMs, 12);
  const item = { item_id: `item ${serial % 5}`, price: 3, quantity: 1 };
  const isCart = name === 'add_to_cart' || name === 'begin_checkout';
  return {
    id: `${time.slice(0, 8)}-${time.slice(8)}-7000-8${hex(number, 3)}-${hex(serial, 12)}`,
    name,
    anonymous_id: anonymousId,
    occurred_at: new Date(atMs).toISOString(),
    properties: {
      ...(name === 'purchase' && { transaction_id: `${anonymousId} ${serial}`, value: 10, currency: 'EUR' }),
      ...(isCart && { items: [item] }),
    },
    context: { page: { path: `/page-${serial % 10}` } },
  };
}

function hex(value: number, length: number): string {
  return value.toString(16).padStart(length, '0');
}
