import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { mainThreadMicroseconds } from './machine.ts';
import { prepareLoad, sendLoad, startOf } from './load.ts';
import { type Report, say } from './report.ts';
import { type Stand, startCollector } from './stand.ts';
import { untilStored } from './throughput.ts';
import { startUsage } from './usage.ts';

type Node = {
  id: number;
  callFrame: { functionName: string; url: string };
  children?: number[];
};
type Profile = { nodes: Node[]; samples: number[]; timeDeltas: number[]; startTime: number; endTime: number };

/** Where the collector's own code belongs; the first frame from the inside that is named here decides. */
const stages: readonly [stage: string, frame: RegExp][] = [
  ['parse', /ingest\/batch\.ts|ingest\/body\.ts/],
  ['judge', /shared\/src\/judge\.ts/],
  ['row', /write\/(?:prepare|lines|row|copy|identity|ecommerce|bots|text)\.ts/],
  ['append', /\/buffer\/|\/lmdb\//],
  ['write', /\/write\/|\/pg\/|\/pg-|\/pg-protocol\//],
  ['derive', /\/derive\//],
  ['request', /\/ingest\/|\/plugins\/|\/fastify\/|\/find-my-way\/|\/@fastify\//],
];

/**
 * Where the collector's CPU time goes, a touchpoint, by stage of its way: the load of `stored` under V8's profiler, whose
 * samples share out what the system says of the main thread.
 */
export async function stagesOfCpu(
  stand: Stand,
  report: Report,
  { touchpoints }: { touchpoints: number },
): Promise<void> {
  const folder = mkdtempSync(join(stand.folder, 'profile-'));
  const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`];
  const collector = await startCollector(stand, { roles: 'ingest,write', flags });
  const connections = 32;
  let window: { from: number; to: number };
  let usage: ReturnType<ReturnType<typeof startUsage>>;
  let mainThread: number;
  try {
    const warm = prepareLoad(stand.sites, { seed: 81, touchpoints: 20_000, startMs: startOf(20_000) });
    await sendLoad(warm.requests, { url: collector.url, connections, rate: null });
    await untilStored(collector);
    const load = prepareLoad(stand.sites, { seed: 82, touchpoints, startMs: startOf(touchpoints) });
    say(`cpu_by_stage: ${touchpoints} touchpoints under the profiler`);
    const endUsage = startUsage(stand, collector);
    const mainBefore = mainThreadMicroseconds(collector.pid) ?? Number.NaN;
    const from = performance.now();
    await sendLoad(load.requests, { url: collector.url, connections, rate: null });
    await untilStored(collector);
    window = { from, to: performance.now() };
    mainThread = ((mainThreadMicroseconds(collector.pid) ?? Number.NaN) - mainBefore) / touchpoints;
    usage = endUsage(touchpoints);
  } finally {
    await collector.stop();
  }
  const ended = performance.now();
  const [file] = readdirSync(folder);
  const profile = JSON.parse(readFileSync(join(folder, file ?? ''), 'utf8')) as Profile;
  // The profile ends with the process; counted back from there, to within the time of stopping.
  const shares = sharesOf(profile, {
    from: profile.endTime - (ended - window.from) * 1_000,
    to: profile.endTime - (ended - window.to) * 1_000,
  });
  const { collector: all, postgres } = usage.cpu_us_per_touchpoint;
  const byStage = Object.fromEntries(shares.map(([stage, share]) => [stage, share * mainThread]));
  report.add({
    name: 'cpu_by_stage',
    figure: (all ?? Number.NaN) + (postgres ?? Number.NaN),
    unit: 'µs',
    bar: { at_most: 60 },
    details: {
      ...byStage,
      'other threads (collection, compiler, disk)': (all ?? Number.NaN) - mainThread,
      ...usage.postgres_cpu_us_per_touchpoint,
      peak_rss_mb: usage.peak_rss_mb,
    },
  });
}

function sharesOf(profile: Profile, { from, to }: { from: number; to: number }): [string, number][] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map<number, Node>();
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node);
  const stageOfNode = new Map<number, string>();
  const stageAt = (id: number): string => {
    let stage = stageOfNode.get(id);
    if (stage === undefined) {
      stage = stageOf(nodes.get(id), parents);
      stageOfNode.set(id, stage);
    }
    return stage;
  };
  const times = new Map<string, number>();
  let at = profile.startTime;
  let total = 0;
  for (const [index, id] of profile.samples.entries()) {
    const delta = profile.timeDeltas[index] ?? 0;
    at += delta;
    if (at < from || at > to) continue;
    const stage = stageAt(id);
    if (stage === 'idle') continue;
    times.set(stage, (times.get(stage) ?? 0) + delta);
    total += delta;
  }
  return [...times]
    .map(([stage, time]): [string, number] => [stage, time / total])
    .sort((a, b) => b[1] - a[1]);
}

function stageOf(node: Node | undefined, parents: ReadonlyMap<number, Node>): string {
  if (node?.callFrame.functionName === '(idle)') return 'idle';
  if (node?.callFrame.functionName === '(garbage collector)') return 'collection';
  for (let frame = node; frame !== undefined; frame = parents.get(frame.id)) {
    const { url } = frame.callFrame;
    for (const [stage, pattern] of stages) if (pattern.test(url)) return stage;
  }
  return 'http and Node';
}
