import { setTimeout as sleep } from 'node:timers/promises';

import { newId, personIdOf } from '@milepost/shared';

import { prepareLoad, prepareRequest, quantile, sendLoad, startOf } from './load.ts';
import { type Report, say } from './report.ts';
import { type Collector, type Stand, startCollector } from './stand.ts';
import { goals, untilDerived, untilStored } from './throughput.ts';
import { startUsage } from './usage.ts';

const markerEveryMs = 40;
const pollEveryMs = 20;

/** A visitor whose single page view we wait for. */
type Marker = { personId: string; sentAt: number; answeredAt: number | null; seenAt: number | null };

/**
 * From sending a page view to its person's row in `journey.current_stages`, while the collector works at half of
 * what it can derive.
 */
export async function latency(
  stand: Stand,
  report: Report,
  { derivedRate, seconds }: { derivedRate: number | null; seconds: number },
): Promise<void> {
  const collector = await startCollector(stand, { roles: goals.derived.roles });
  try {
    const full = derivedRate ?? (await derivableRate(stand, collector));
    const rate = full / 2;
    const touchpoints = Math.ceil(rate * seconds);
    const load = prepareLoad(stand.sites, { seed: 21, touchpoints, startMs: startOf(touchpoints) });
    say(`latency: ${Math.round(rate)} touchpoints/s for ${seconds} s`);
    const endUsage = startUsage(stand, collector);
    const isLoading = { value: true };
    const watching = watchMarkers(stand, collector, isLoading);
    const sent = await sendLoad(load.requests, { url: collector.url, connections: 32, rate });
    isLoading.value = false;
    const markers = await watching;
    const usage = endUsage(sent.touchpoints);
    const waits = markers.map(({ sentAt, seenAt }) => ((seenAt ?? Number.NaN) - sentAt) / 1_000);
    const answers = markers.map(({ sentAt, answeredAt }) => ((answeredAt ?? Number.NaN) - sentAt) / 1_000);
    report.add({
      name: 'event_to_visible_stage_p99',
      figure: quantile(waits, 0.99),
      unit: 's',
      bar: { below: 1 },
      details: {
        p50: quantile(waits, 0.5),
        p90: quantile(waits, 0.9),
        longest: Math.max(...waits),
        answer_p99: quantile(answers, 0.99),
        markers: markers.length,
        touchpoints_per_second: sent.touchpoints / sent.seconds,
        derived_at_full_load: full,
        load_answer_ms: { p50: quantile(sent.latencies, 0.5), p99: quantile(sent.latencies, 0.99) },
        ...usage,
      },
    });
  } finally {
    await collector.stop();
  }
}

/** What the collector derives a second at full load, by a short run; the compiler and caches are warm after it. */
export async function derivableRate(stand: Stand, collector: Collector): Promise<number> {
  const touchpoints = 40_000;
  let rate = 0;
  for (const seed of [31, 32]) {
    const { requests } = prepareLoad(stand.sites, { seed, touchpoints, startMs: startOf(touchpoints) });
    const startedAt = performance.now();
    await sendLoad(requests, { url: collector.url, connections: 32, rate: null });
    await untilStored(collector);
    await untilDerived(stand);
    rate = (touchpoints / (performance.now() - startedAt)) * 1_000;
  }
  say(`derives ${Math.round(rate)} touchpoints/s at full load`);
  return rate;
}

async function watchMarkers(
  stand: Stand,
  collector: Collector,
  isLoading: { value: boolean },
): Promise<Marker[]> {
  const [site] = stand.sites;
  if (site === undefined) throw new Error('no site');
  const { rows } = await stand.pool.query<{ person_secret: Buffer }>(
    'select person_secret from store.sites where site_id = $1',
    [site.siteId],
  );
  const secret = rows[0]?.person_secret ?? Buffer.alloc(0);
  const markers: Marker[] = [];
  const waiting = new Map<string, Marker>();
  const sending: Promise<void>[] = [];

  async function send(): Promise<void> {
    await sleep(10_000); // compiler, caches and plans are warm by then, and the load has found its pace
    while (isLoading.value) {
      sending.push(sendOne());
      await sleep(markerEveryMs);
    }
    await Promise.all(sending);
  }

  async function sendOne(): Promise<void> {
    const anonymousId = newId();
    const personId = personIdOf(secret, 'anonymous_id', anonymousId);
    const occurredAt = new Date().toISOString();
    const event = JSON.stringify({
      id: newId(),
      name: 'page_view',
      type: 'page',
      anonymous_id: anonymousId,
      occurred_at: occurredAt,
    });
    const request = prepareRequest(site?.writeKey ?? '', [event]);
    const marker: Marker = { personId, sentAt: performance.now(), answeredAt: null, seenAt: null };
    markers.push(marker);
    waiting.set(personId, marker);
    await sendLoad([request], { url: collector.url, connections: 1, rate: null });
    marker.answeredAt = performance.now();
  }

  async function look(): Promise<void> {
    const deadline = () =>
      !isLoading.value && (waiting.size === 0 || performance.now() - loadEndedAt > 30_000);
    let loadEndedAt = Infinity;
    while (!deadline()) {
      if (!isLoading.value && loadEndedAt === Infinity) loadEndedAt = performance.now();
      if (waiting.size > 0) {
        const seen = await stand.pool.query<{ person_id: string }>({
          name: 'bench-markers',
          text: `select person_id from journey.current_stages where site_id = $1 and person_id = any($2::uuid[])`,
          values: [site?.siteId, [...waiting.keys()]],
        });
        const now = performance.now();
        for (const { person_id: personId } of seen.rows) {
          const marker = waiting.get(personId);
          if (marker !== undefined) marker.seenAt = now;
          waiting.delete(personId);
        }
      }
      await sleep(pollEveryMs);
    }
    if (waiting.size > 0) throw new Error(`${waiting.size} markers never became visible`);
  }

  await Promise.all([send(), look()]);
  return markers;
}
