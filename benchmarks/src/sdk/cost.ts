import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { openBrowsers } from '../../../packages/sdk/test/torture/index.ts';
import { builtSdk } from '../../../packages/sdk/test/support/built.ts';
import { quantile } from '../load.ts';
import { type Report, say } from '../report.ts';
import { type Stand, startCollector } from '../stand.ts';
import { costOf, type Candidate, type Cost } from './cost-of-page.ts';
import { bundledPeers, peerNames } from './peers.ts';
import { openSink } from './sink.ts';

/** The peer that ours is held against. */
const yardstick = 'plausible';
/** Heap is measured in so many rounds only: collecting garbage takes longest, and says the same each time. */
const heapRounds = 6;

/**
 * What the script costs a page on a CPU slowed down four times: all candidates one after the other in every round,
 * in fresh renderers, and each compared with the yardstick of its own round.
 */
export async function cost(
  stand: Stand,
  report: Report,
  { rounds, peers }: { rounds: number; peers: readonly string[] },
): Promise<void> {
  const collector = await startCollector(stand, { roles: 'ingest,write' });
  const sink = await openSink();
  const browsers = await openBrowsers();
  try {
    const key = stand.sites[0]!.writeKey;
    const names = peerNames.filter((name) => name === yardstick || peers.includes(name));
    const candidates = [
      { name: 'blank', code: '', url: null },
      ...(await ours({ url: collector.url, key })),
      ...(await bundledPeers(names)).map(({ name, code }) => ({
        name,
        code: `${code};window.bench = bench;`,
        url: sink.url,
      })),
    ];
    const profiles = await browsers.profiles();
    const costs: Cost[][] = [];
    for (let round = 0; round < rounds; round++) {
      // another one begins each time, so that none is always the first or always after the same
      const order = candidates.map((_, place) => candidates[(place + round) % candidates.length]!);
      const measured: Cost[] = [];
      for (const candidate of order) {
        measured.push(await costOf(candidate, { profiles, withHeap: round < heapRounds }));
      }
      costs.push(measured);
    }
    say(`cost: ${rounds} rounds of ${candidates.map(({ name }) => name).join(', ')}`);
    addResults(report, costs);
  } finally {
    await browsers.close();
    sink.close();
    await collector.stop();
  }
}

/** The very files that pages load, with the options the loader would leave for them. */
async function ours({ url, key }: { url: string; key: string }): Promise<Candidate[]> {
  const dist = await builtSdk();
  const options = `window.milepost = { o: ${JSON.stringify({ writeKey: key, host: url })} };`;
  return ['milepost', 'milepost.full']
    .filter((name) => existsSync(join(dist, `${name}.js`)))
    .map((name) => ({
      name,
      code: options + readFileSync(join(dist, `${name}.js`), 'utf8'),
      url: null,
    }));
}

function addResults(report: Report, rounds: readonly Cost[][]): void {
  const of = (name: string) => rounds.flatMap((round) => round.filter((cost) => cost.name === name));
  const median = (name: string, key: keyof Omit<Cost, 'name'>) =>
    quantile(
      of(name).flatMap((cost) => cost[key] ?? []),
      0.5,
    );
  const ratios = (name: string) =>
    rounds.map((round) => {
      const msOf = (wanted: string) => round.find((cost) => cost.name === wanted)!.totalMs;
      return msOf(name) / msOf(yardstick);
    });
  const summaryOf = (name: string) => ({
    evaluation_and_init_ms: median(name, 'totalMs'),
    ratio: quantile(ratios(name), 0.5),
    ratio_quartiles: [quantile(ratios(name), 0.25), quantile(ratios(name), 0.75)],
    script_ms: median(name, 'scriptMs') - median('blank', 'scriptMs'),
    long_tasks: Math.max(...of(name).map(({ longTasks }) => longTasks)),
    longest_task_ms: Math.max(...of(name).map(({ longestTaskMs }) => longestTaskMs)),
    heap_kb: median(name, 'heapKb') - median('blank', 'heapKb'),
    listeners: median(name, 'listeners') - median('blank', 'listeners'),
  });
  const names = [...new Set(rounds.flat().map(({ name }) => name))].filter((name) => name !== 'blank');
  const summary = Object.fromEntries(names.map((name) => [name, summaryOf(name)]));
  const core = summary['milepost']!;
  report.add({
    name: 'sdk_cost_evaluation_and_init',
    figure: core.evaluation_and_init_ms,
    unit: 'ms, CPU slowed 4×',
    limit: { what: yardstick, figure: summary[yardstick]!.evaluation_and_init_ms },
    ratio: core.ratio,
    bar: { below: 1.5 },
    details: { rounds: rounds.length, ...summary },
  });
  report.add({
    name: 'sdk_cost_long_tasks',
    figure: core.long_tasks,
    unit: 'tasks over 50 ms in any round',
    bar: { below: 1 },
    details: { longest_task_ms: core.longest_task_ms },
  });
  report.add({
    name: 'sdk_cost_heap',
    figure: core.heap_kb,
    unit: 'KB added, after collecting garbage',
    bar: { below: 150 },
    details: { listeners: core.listeners },
  });
}
