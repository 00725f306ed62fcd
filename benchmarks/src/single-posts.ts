import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { benchBatches } from '@milepost/collector/simulate/bench';

import {
  type LoadResult,
  type PreparedRequest,
  prepareRequest,
  quantile,
  sendLoad,
  startOf,
} from './load.ts';
import { type Report, say } from './report.ts';
import { type Stand, startCollector } from './stand.ts';
import { untilStored } from './throughput.ts';
import { startUsage, type Usage } from './usage.ts';

const connections = 64;

/**
 * One touchpoint a request, as fast as it is answered (hence durable), as a share of what a Fastify route answers that
 * only parses. The two take turns, so that both meet the same machine.
 */
export async function singlePosts(
  stand: Stand,
  report: Report,
  { posts, rounds }: { posts: number; rounds: number },
): Promise<void> {
  const collector = await startCollector(stand, { roles: 'ingest,write' });
  const bare = await startBareRoute();
  try {
    const rates = { collector: [] as number[], bare: [] as number[] };
    const latencies: number[] = [];
    const take = async (seed: number, count: number, url: string): Promise<LoadResult> =>
      sendLoad(requestsOf(stand, { seed, count }), { url, connections, rate: null });
    await take(70, 5_000, bare.url);
    await take(71, 5_000, collector.url);
    await untilStored(collector);
    let cpu: Usage | undefined;
    for (let round = 0; round < rounds; round += 1) {
      say(`single_posts: round ${round + 1} of ${rounds}`);
      const limit = await take(72 + round * 2, posts, bare.url);
      rates.bare.push(limit.requests / limit.seconds);
      const endUsage = startUsage(stand, collector);
      const sent = await take(73 + round * 2, posts, collector.url);
      rates.collector.push(sent.requests / sent.seconds);
      latencies.push(...sent.latencies);
      await untilStored(collector);
      cpu = endUsage(posts);
    }
    const figure = quantile(rates.collector, 0.5);
    const limit = quantile(rates.bare, 0.5);
    report.add({
      name: 'single_posts',
      figure,
      unit: 'posts/s',
      limit: { what: 'Fastify route that only parses', figure: limit },
      ratio: figure / limit,
      bar: { at_least: 0.6 },
      details: { connections, posts: posts * rounds, rates, ...cpu },
    });
    report.add({
      name: 'single_posts_p99',
      figure: quantile(latencies, 0.99),
      unit: 'ms',
      bar: { below: 100 },
      details: { p50: quantile(latencies, 0.5), longest: quantile(latencies, 1) },
    });
  } finally {
    await bare.stop();
    await collector.stop();
  }
}

function requestsOf(stand: Stand, { seed, count }: { seed: number; count: number }): PreparedRequest[] {
  const requests: PreparedRequest[] = [];
  for (const { site, events } of benchBatches({ seed, touchpoints: count, startMs: startOf(count) })) {
    for (const event of events) requests.push(prepareRequest(stand.sites[site]?.writeKey ?? '', [event]));
  }
  return requests;
}

async function startBareRoute(): Promise<{ url: string; stop(): Promise<void> }> {
  const child = fork(fileURLToPath(new URL('bare-route.ts', import.meta.url)), { stdio: 'inherit' });
  const [message] = (await once(child, 'message')) as [{ url: string }];
  return {
    url: message.url,
    async stop() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}
