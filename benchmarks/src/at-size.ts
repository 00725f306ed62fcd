import { setTimeout as sleep } from 'node:timers/promises';

import { Deriver } from '@milepost/collector/derive/derive';
import { seededRandom } from '@milepost/collector/simulate/random';

import { sizesOf } from './disk.ts';
import { openFixture } from './fixture.ts';
import { derivableRate } from './latency.ts';
import { prepareLoad, quantile, sendLoad, startOf } from './load.ts';
import { cpuMicroseconds } from './machine.ts';
import { type Report, say } from './report.ts';
import { type Stand, startCollector } from './stand.ts';
import { goals } from './throughput.ts';
import { piecesOf, storeTogether } from './traffic.ts';

const touchpointsAtOnce = 4_000;

type Options = { touchpoints: number; small: number; base: number; pieces: number; calls: number };

/**
 * What a touchpoint costs to derive with many stored, beside a twentieth of them, and how long the views take to answer
 * while touchpoints come.
 */
export async function atSize(report: Report, options: Options): Promise<void> {
  const large = await openFixture(options.touchpoints, options.base);
  try {
    const small = await openFixture(options.small, options.base);
    try {
      await costs(report, { small, large, options });
    } finally {
      await small.close();
    }
    await views(large, report, options);
  } finally {
    await large.close();
  }
}

type Cost = { wall: number[]; cpu: number[] };

/** The same traffic to both, in turns, so that both meet the same machine. */
async function costs(
  report: Report,
  { small, large, options }: { small: Stand; large: Stand; options: Options },
): Promise<void> {
  const warmUp = 3;
  const touchpoints = (options.pieces + warmUp) * touchpointsAtOnce;
  say(`at-size: ${touchpoints} touchpoints to both, ${touchpointsAtOnce} at a time, in turns`);
  const startMs = startOf(touchpoints);
  const seed = Date.now() % 1e6; // other touchpoints every time that a fixture is used
  const places = await Promise.all(
    [small, large].map(async (stand) => ({
      stand,
      deriver: await Deriver.open(stand.pool),
      pieces: piecesOf(stand.sites, { seed, touchpoints, startMs }, touchpointsAtOnce),
      cost: { wall: [], cpu: [] } as Cost,
    })),
  );
  try {
    for (let piece = -warmUp; piece < options.pieces; piece += 1) {
      for (const { stand, deriver, pieces, cost } of places) {
        const { value: rows } = pieces.next();
        if (!rows) continue;
        await storeTogether(stand.pool, rows);
        const cpuBefore = cpuMicroseconds(stand.postgresPid, { children: true });
        const startedAt = performance.now();
        while ((await deriver.deriveBatches()) > 0);
        const wall = ((performance.now() - startedAt) * 1_000) / rows.length;
        const cpuAfter = cpuMicroseconds(stand.postgresPid, { children: true });
        if (piece < 0) continue;
        cost.wall.push(wall);
        if (cpuBefore !== null && cpuAfter !== null) cost.cpu.push((cpuAfter - cpuBefore) / rows.length);
      }
    }
  } finally {
    for (const { deriver } of places) await deriver.close();
  }
  const [few, many] = places.map(({ cost }) => ({
    wall: quantile(cost.wall, 0.5),
    cpu: quantile(cost.cpu, 0.5),
    p90: quantile(cost.wall, 0.9),
  }));
  if (few === undefined || many === undefined) throw new Error('two fixtures are compared');
  const sizes = await sizesOf(large.pool, 'store');
  const bytes = sizes.reduce((sum, size) => sum + size.bytes, 0);
  report.add({
    name: 'cost_at_size',
    figure: many.wall,
    unit: 'µs',
    limit: { what: `the same with ${options.small} stored`, figure: few.wall },
    ratio: many.wall / few.wall,
    bar: { at_most: 1.2 },
    details: {
      touchpoints_stored: options.touchpoints,
      touchpoints_at_once: touchpointsAtOnce,
      pieces: options.pieces,
      postgres_cpu_us: { large: many.cpu, small: few.cpu, ratio: many.cpu / few.cpu },
      wall_us_p90: { large: many.p90, small: few.p90 },
      bytes_per_touchpoint: bytes / options.touchpoints,
      bytes: Object.fromEntries(sizes.slice(0, 12).map((size) => [size.name, size.bytes])),
    },
  });
}

type Question = { name: string; below: number; text: string; values: () => unknown[] };

/** One question after the other, in turns, while the collector works at half of what it can derive. */
async function views(stand: Stand, report: Report, { touchpoints, calls }: Options): Promise<void> {
  const collector = await startCollector(stand, { roles: goals.derived.roles });
  try {
    const rate = (await derivableRate(stand, collector)) / 2;
    const questions = await questionsOf(stand, calls);
    const isAsking = { value: true };
    const seconds = 600; // more than the calls take; what is not sent by then is left
    function* whileAsking() {
      for (let seed = 81; isAsking.value && seed < 81 + seconds / 20; seed += 1) {
        const count = Math.ceil(rate * 20);
        const { requests } = prepareLoad(stand.sites, { seed, touchpoints: count, startMs: startOf(count) });
        for (const request of requests) if (isAsking.value) yield request;
      }
    }
    say(`at-size: ${calls} calls of each view while ${Math.round(rate)} touchpoints/s are written`);
    const sending = sendLoad(whileAsking(), { url: collector.url, connections: 32, rate });
    await sleep(3_000);
    const times = new Map<Question, number[]>(questions.map((question) => [question, []]));
    const client = await stand.pool.connect();
    try {
      const warmUp = Math.ceil(calls / 10);
      for (let call = -warmUp; call < calls; call += 1) {
        for (const question of questions) {
          const { name, text, values } = question;
          const startedAt = performance.now();
          await client.query({ name: `bench-${name}`, text, values: values() });
          if (call >= 0) times.get(question)?.push(performance.now() - startedAt);
        }
      }
    } finally {
      client.release();
      isAsking.value = false;
    }
    const sent = await sending;
    for (const [{ name, below, text }, measured] of times) {
      report.add({
        name: `view_${name}_p99`,
        figure: quantile(measured, 0.99),
        unit: 'ms',
        bar: { below },
        details: {
          p50: quantile(measured, 0.5),
          p90: quantile(measured, 0.9),
          longest: Math.max(...measured),
          calls: measured.length,
          touchpoints_stored: touchpoints,
          touchpoints_per_second: sent.touchpoints / sent.seconds,
          asked: text,
        },
      });
    }
  } finally {
    await collector.stop();
  }
}

async function questionsOf(stand: Stand, calls: number): Promise<Question[]> {
  const random = seededRandom(91);
  const { rows: sites } = await stand.pool.query<{ site_id: number }>(
    'select site_id from store.sites order by site_id',
  );
  const { rows: persons } = await stand.pool.query<{ site_id: number; person_id: string }>(
    `select site_id, person_id from store.persons tablesample system (1) where stage is not null
    order by random() limit $1`,
    [calls],
  );
  const site = () => random.pick(sites).site_id;
  return [
    {
      name: 'current_stages',
      below: 5,
      text: 'select * from journey.current_stages where site_id = $1 and person_id = $2',
      values: () => {
        const person = random.pick(persons);
        return [person.site_id, person.person_id];
      },
    },
    {
      name: 'abandoned_carts',
      below: 50,
      text: 'select * from journey.abandoned_carts where site_id = $1 order by abandoned_at desc limit 100',
      values: () => [site()],
    },
    {
      name: 'conversion_metrics',
      below: 50,
      text: 'select * from journey.conversion_metrics where site_id = $1 and day > current_date - 30',
      values: () => [site()],
    },
    {
      name: 'funnel_stages',
      below: 100,
      text: 'select * from journey.funnel_stages where site_id = $1',
      values: () => [site()],
    },
  ];
}
