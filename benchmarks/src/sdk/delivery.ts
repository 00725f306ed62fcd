import { setTimeout as sleep } from 'node:timers/promises';

import { createKey } from '@milepost/collector/database/keys';
import { createSite } from '@milepost/collector/database/sites';
import {
  milepost,
  openBrowsers,
  rowsOf,
  runAll,
  scenarios,
  servePages,
  type Ground,
  type Outcome,
  type Pages,
  type Profiles,
  type Scenario,
} from '../../../packages/sdk/test/torture/index.ts';
import { quantile } from '../load.ts';
import { type Report, say } from '../report.ts';
import { type Stand, startCollector } from '../stand.ts';
import { bundledPeers } from './peers.ts';
import { openSink } from './sink.ts';
import { trackerOf } from './trackers.ts';

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
        const outcomes = await runAll(scenario, { profiles, pages, ...target }, runs);
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

type Target = Omit<Ground, 'profiles' | 'pages'> & { countedTwice(): Promise<number> };

/** The real collector, with a site of the scenario's own. */
async function ownTarget({ pool }: Stand, upstream: string): Promise<Target> {
  const siteId = await createSite(pool, { name: 'Torture', allowed_origins: ['*'] });
  const { key } = await createKey(pool, { siteId, kind: 'write', scopes: [] });
  await sleep(600); // the collector learns of a new key within 400 ms
  return {
    upstream,
    key,
    patience: { stayMs: 4_000, returnMs: 10_000, graceMs: 400 },
    copiesOf: rowsOf(pool, siteId),
    async countedTwice() {
      const { rows } = await pool.query<{ count: number }>(
        `select coalesce(sum(value), 0)::integer as count from store.counters where site_id = $1 and name = 'duplicate'`,
        [siteId],
      );
      return rows[0]?.count ?? 0;
    },
  };
}

/** A sink that keeps nothing. Some of the peers wait for seconds before they send, or send again. */
function sinkTarget(upstream: string): Target {
  const patience = { stayMs: 8_000, returnMs: 8_000, graceMs: 600 };
  return { upstream, key: '', copiesOf: null, patience, countedTwice: async () => 0 };
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
