import { setTimeout as sleep } from 'node:timers/promises';

import {
  milepost,
  openBrowsers,
  servePages,
  Visit,
  type Browsers,
  type Passed,
  type Tracker,
} from '../../../packages/sdk/test/torture/index.ts';
import type { Report } from '../report.ts';
import { type Stand, startCollector } from '../stand.ts';
import { bundledPeers } from './peers.ts';
import { openSink } from './sink.ts';
import { trackerOf } from './trackers.ts';

/** After this long without a request whoever batches has sent: the slowest of the peers waits for 5 s. */
const quietMs = { milepost: 1_500, peer: 6_500 };

type Traffic = {
  requests: number;
  preflights: number;
  bodyBytes: number;
  wireBytes: number;
  encodings: string[];
};

/** What goes over the wire for a page view, ten calls in a row, and an identify, each after the one before has gone. */
export async function wire(
  stand: Stand,
  report: Report,
  { peers }: { peers: readonly string[] },
): Promise<void> {
  const collector = await startCollector(stand, { roles: 'ingest,write' });
  const sink = await openSink();
  const browsers = await openBrowsers();
  try {
    const measure = (tracker: Tracker, upstream: string) =>
      trafficOf(tracker, { upstream, key: stand.sites[0]!.writeKey, browsers });
    const ours = await measure(await milepost(), collector.url);
    const others = await Promise.all(
      (await bundledPeers(peers)).map(async (peer) => [
        peer.name,
        { version: peer.version, ...(await measure(trackerOf(peer), sink.url)) },
      ]),
    );
    const { tracks } = ours;
    const details = { ...ours, peers: Object.fromEntries(others) as object };
    report.add({
      name: 'sdk_wire_requests_of_ten_calls',
      figure: tracks.requests,
      unit: 'requests',
      bar: { below: 2 },
      details,
    });
    report.add({
      name: 'sdk_wire_preflights',
      figure: ours.pageView.preflights + tracks.preflights + ours.identify.preflights,
      unit: 'preflights',
      bar: { below: 1 },
      details: { what: 'of the page view, the ten calls and the identify' },
    });
    report.add({
      name: 'sdk_wire_body_bytes_an_event',
      figure: tracks.bodyBytes / 10,
      unit: 'bytes',
      bar: { below: 200 },
      details: { what: 'ten calls in a row, bodies as sent' },
    });
  } finally {
    await browsers.close();
    sink.close();
    await collector.stop();
  }
}

async function trafficOf(
  tracker: Tracker,
  { upstream, key, browsers }: { upstream: string; key: string; browsers: Browsers },
): Promise<{ pageView: Traffic; tracks: Traffic; identify: Traffic }> {
  const pages = await servePages(tracker);
  const profiles = await browsers.profiles();
  const patience = { stayMs: 0, returnMs: 0, graceMs: 0 };
  const visit = await Visit.begin({ profiles, pages, upstream, key, copiesOf: null, patience }, 0);
  const waitMs = tracker.name === 'milepost' ? quietMs.milepost : quietMs.peer;
  const phase = async (act: () => Promise<unknown>): Promise<Traffic> => {
    const from = visit.gate.passed.length;
    await act();
    await sleep(waitMs);
    return sumOf(visit.gate.passed.slice(from));
  };
  try {
    return {
      pageView: await phase(() => visit.arrive('/shop')),
      tracks: await phase(() => visit.fire(10)),
      identify: await phase(() => visit.page.evaluate(() => window.bench.identify('ada'))),
    };
  } finally {
    await visit.end();
    pages.close();
  }
}

function sumOf(passed: readonly Passed[]): Traffic {
  const requests = passed.filter(({ method }) => method !== 'OPTIONS');
  const sum = (key: 'bytes' | 'wireBytes', of: readonly Passed[]) =>
    of.reduce((all, request) => all + request[key], 0);
  return {
    requests: requests.length,
    preflights: passed.length - requests.length,
    bodyBytes: sum('bytes', requests),
    wireBytes: sum('wireBytes', passed),
    encodings: [...new Set(requests.map(({ isGzip }) => (isGzip ? 'gzip' : 'plain')))],
  };
}
