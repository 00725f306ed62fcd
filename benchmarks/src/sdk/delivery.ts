import { setTimeout as sleep } from 'node:timers/promises';

import { createKey } from '@milepost/collector/database/keys';
import { createSite } from '@milepost/collector/database/sites';
import { quantile } from '../load.ts';
import { type Report, say } from '../report.ts';
import { type Stand, startCollector } from '../stand.ts';
import { openBrowsers, type Profiles } from './browsers.ts';
import { servePages, type Pages } from './pages.ts';
import { bundledPeers } from './peers.ts';
import { scenarios, type Scenario } from './scenarios.ts';
import { openSink } from './sink.ts';
import { milepost, trackerOf } from './trackers.ts';
import { Visit, type Ground } from './visit.ts';

/** What a run of one visit left behind. */
type Outcome = {
  fired: number;
  /** Not there before the tracker was loaded again. */
  missing: number;
  lost: number;
  /** More rows than one for an event. */
  twice: number;
  /** Copies that were accepted although one had been before. */
  resent: number;
  /** Seconds from a free way to the last event; null where that needed another page. */
  recovery: number | null;
  errors: number;
  notes: Record<string, number>;
};

/** How long to wait for what may never come. */
const patience = {
  milepost: { firstMs: 4_000, returnMs: 10_000, graceMs: 400 },
  peer: { firstMs: 8_000, returnMs: 8_000, graceMs: 600 },
};

/**
 * Every scenario in a real Chromium, ours against the real collector, the rows of journey.touchpoints counted; peers
 * against a sink, what arrives counted.
 */
export async function delivery(
  stand: Stand,
  report: Report,
  options: { runs: number; peerRuns: number; peers: readonly string[]; only?: readonly string[] | undefined },
): Promise<void> {
  const wanted = scenarios.filter(({ name }) => options.only?.includes(name) ?? true);
  const [ours, peers] = [await milepost(), await bundledPeers(options.peers)];
  const collector = await startCollector(stand, { roles: 'ingest,write' });
  const sink = await openSink();
  const browsers = await openBrowsers();
  const sides: { tracker: string; version: string; pages: Pages }[] = [];
  for (const tracker of [ours, ...peers.map(trackerOf)]) {
    const { name, version } = tracker;
    sides.push({ tracker: name, version, pages: await servePages(tracker) });
  }
  try {
    for (const scenario of wanted) {
      const figures: Record<string, object> = {};
      const profiles = await browsers.profiles(scenario.needs);
      for (const { tracker, version, pages } of sides) {
        const isOurs = tracker === 'milepost';
        const runs = isOurs ? options.runs : options.peerRuns;
        const target = isOurs ? await ownTarget(stand, collector.url) : sinkTarget(sink.url);
        const outcomes = await runAll(scenario, { profiles, pages, ...target }, { runs, isOurs });
        figures[tracker] = {
          version,
          ...sumOf(outcomes),
          ...(isOurs && { counted_twice_by_collector: await target.countedTwice() }),
        };
        say(`${scenario.name}, ${tracker}: ${JSON.stringify(figures[tracker])}`);
      }
      addResult(report, scenario, figures, profiles);
    }
  } finally {
    await browsers.close();
    for (const { pages } of sides) pages.close();
    sink.close();
    await collector.stop();
  }
}

type Target = Pick<Ground, 'upstream' | 'key' | 'copiesOf'> & { countedTwice(): Promise<number> };

/** The real collector, with a site of the scenario's own. */
async function ownTarget({ pool }: Stand, upstream: string): Promise<Target> {
  const siteId = await createSite(pool, { name: 'Torture', allowed_origins: ['*'] });
  const { key } = await createKey(pool, { siteId, kind: 'write', scopes: [] });
  await sleep(600); // the collector learns of a new key within 400 ms
  return {
    upstream,
    key,
    async copiesOf(run) {
      const { rows } = await pool.query<{ mark: string; copies: number }>(
        `select properties ->> 'mark' as mark, count(*)::integer as copies
         from journey.touchpoints
         where site_id = $1 and name = 'bench' and properties ->> 'mark' like $2
         group by properties ->> 'mark'`,
        [siteId, `mk-${run}-%`],
      );
      return new Map(rows.map(({ mark, copies }) => [mark, copies]));
    },
    async countedTwice() {
      const { rows } = await pool.query<{ count: number }>(
        `select coalesce(sum(value), 0)::integer as count from store.counters where site_id = $1 and name = 'duplicate'`,
        [siteId],
      );
      return rows[0]?.count ?? 0;
    },
  };
}

function sinkTarget(upstream: string): Target {
  return { upstream, key: '', copiesOf: async () => new Map(), countedTwice: async () => 0 };
}

async function runAll(
  scenario: Scenario,
  ground: Ground,
  { runs, isOurs }: { runs: number; isOurs: boolean },
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let next = 0;
  const lane = async () => {
    while (next < runs) outcomes.push(await runOnce(scenario, ground, { index: next++, isOurs }));
  };
  await Promise.all(Array.from({ length: Math.min(scenario.lanes, runs) }, lane));
  return outcomes;
}

async function runOnce(
  scenario: Scenario,
  ground: Ground,
  { index, isOurs }: { index: number; isOurs: boolean },
): Promise<Outcome> {
  const wait = isOurs ? patience.milepost : patience.peer;
  const visit = await Visit.begin({ ...ground }, index);
  // a sink stores nothing: there, what was accepted is what is there
  if (!isOurs) visit.ground.copiesOf = async () => visit.gate.accepted;
  try {
    await scenario.before?.(visit);
    await visit.arrive('/shop');
    await scenario.act(visit);
    const fired = visit.fired;
    const recovery = await visit.arrived(wait.firstMs);
    const missing = recovery === null ? fired - (await distinct(visit, fired)) : 0;
    if (scenario.isWithoutReturn === undefined) {
      // the visitor comes back; whatever was kept is sent now at the latest, before or with one more call
      visit.page = await visit.open('/shop/again');
      await visit.fire(1);
    }
    await visit.arrived(wait.returnMs);
    await sleep(wait.graceMs);
    const copies = await visit.ground.copiesOf(visit.run);
    const sum = (values: Iterable<number>) => [...values].reduce((all, value) => all + value - 1, 0);
    return {
      fired: visit.fired,
      missing,
      lost: visit.fired - copies.size,
      twice: sum(copies.values()),
      resent: sum(visit.gate.accepted.values()),
      recovery,
      errors: visit.errors.length,
      notes: visit.notes,
    };
  } finally {
    await visit.end();
  }
}

async function distinct(visit: Visit, most: number): Promise<number> {
  return Math.min((await visit.ground.copiesOf(visit.run)).size, most);
}

function sumOf(outcomes: readonly Outcome[]) {
  const total = (key: 'fired' | 'missing' | 'lost' | 'twice' | 'resent' | 'errors') =>
    outcomes.reduce((sum, outcome) => sum + outcome[key], 0);
  const seconds = outcomes.flatMap(({ recovery }) => recovery ?? []);
  const notes: Record<string, { least: number; most: number }> = {};
  for (const name of new Set(outcomes.flatMap(({ notes }) => Object.keys(notes)))) {
    const values = outcomes.flatMap(({ notes }) => notes[name] ?? []);
    notes[name] = { least: Math.min(...values), most: Math.max(...values) };
  }
  return {
    runs: outcomes.length,
    events: total('fired'),
    missing_until_next_page: total('missing'),
    lost: total('lost'),
    twice: total('twice'),
    received_again: total('resent'),
    page_errors: total('errors'),
    ...(seconds.length > 0 && {
      seconds_to_last: { p50: quantile(seconds, 0.5), longest: Math.max(...seconds) },
    }),
    ...notes,
  };
}

function addResult(
  report: Report,
  { name, what, recovery, needs }: Scenario,
  figures: Record<string, object>,
  { browser, has }: Profiles,
): void {
  const { milepost: ours, ...peers } = figures as Record<string, ReturnType<typeof sumOf>>;
  if (ours === undefined) return;
  const details = { what, browser, ...(!has && { imitated: needs }), ...ours, peers };
  report.add({
    name: `sdk_delivery_${name.replaceAll('-', '_')}`,
    figure: ours.lost + ours.twice,
    unit: 'lost or twice',
    bar: { below: 1 },
    details,
  });
  if (recovery !== undefined) {
    report.add({
      name: `sdk_recovery_${name}`,
      figure: ours.missing_until_next_page > 0 ? Infinity : (ours.seconds_to_last?.longest ?? Infinity),
      unit: 's',
      bar: { below: recovery },
      details: { what: `longest time from the end of: ${what}` },
    });
  }
}
