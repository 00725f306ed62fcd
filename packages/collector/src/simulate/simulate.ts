import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import type { Writable } from 'node:stream';

import { Refusal } from '../refusal.ts';
import { type TouchpointBatch, batched } from './batches.ts';
import { benchBatches, benchProfile } from './bench.ts';
import { progressBar } from './progress.ts';
import { type Shipment, type Tally, SendRefused, send } from './send.ts';
import { type Target, targetOf } from './target.ts';
import { traffic } from './traffic.ts';

export type SimulateOptions = {
  profile: string;
  seed: number;
  persons?: number;
  days: number;
  start?: number;
  touchpoints?: number;
  seconds?: number;
  rate?: number;
  connections: number;
  url?: string;
  writeKey: string[];
  secretKey: string[];
  out?: string;
  json?: boolean;
};

const dayMs = 86_400_000;
const shopOrigin = 'https://shop.example';

/** Makes the traffic and sends or writes it; resolves to the line that says what happened. */
export async function simulate(options: SimulateOptions): Promise<string> {
  if (options.profile !== 'shop' && options.profile !== 'bench') {
    throw new Refusal(`there is no profile “${options.profile}”; the profiles are shop and bench.`);
  }
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once('SIGINT', interrupt);
  const timer = options.seconds === undefined ? null : setTimeout(interrupt, options.seconds * 1_000);
  try {
    return options.out === undefined
      ? await sendTraffic(options, stop.signal)
      : await writeTraffic(options, { file: options.out, signal: stop.signal });
  } finally {
    process.removeListener('SIGINT', interrupt);
    if (timer !== null) clearTimeout(timer);
  }
}

/** The batches of the chosen profile. `sites` is the number of sites that share the traffic. */
function* batchesOf(options: SimulateOptions, sites: number): Generator<TouchpointBatch> {
  const { seed } = options;
  const limit = options.touchpoints ?? Infinity;
  if (options.profile === 'bench') {
    const touchpoints = options.touchpoints ?? 100_000;
    const startMs = options.start ?? Date.now() - dayMs / 24;
    const persons = options.persons ?? benchProfile.persons;
    for (const batch of benchBatches({ seed, touchpoints, startMs, persons })) {
      // Fewer keys than the profile has sites: the sites share them.
      yield { ...batch, site: batch.site % sites, by: 'browser' };
    }
    return;
  }
  const startMs = options.start ?? midnightBefore(Date.now()) - options.days * dayMs;
  const untilMs = Math.min(startMs + options.days * dayMs, Date.now());
  const persons = options.persons ?? 500;
  let made = 0;
  function* limited() {
    for (const emission of traffic({ seed, persons, startMs, untilMs, sites, origin: shopOrigin })) {
      if (made >= limit) return;
      made += 1;
      yield emission;
    }
  }
  yield* batched(limited(), { seed });
}

function midnightBefore(ms: number): number {
  return Math.floor(ms / dayMs) * dayMs;
}

async function sendTraffic(options: SimulateOptions, signal: AbortSignal): Promise<string> {
  const target = await targetOf(options);
  const shipments: Shipment[] = [];
  let keyless = 0;
  // Made before the first request, so that sending costs next to nothing and the bar knows the end.
  for (const batch of batchesOf(options, target.writeKeys.length)) {
    const key = keyOf(batch, target);
    if (key === undefined) keyless += batch.events.length;
    else shipments.push({ key, events: batch.events });
  }
  const total = shipments.reduce((sum, shipment) => sum + shipment.events.length, 0);
  const bar = progressBar({ total, unit: 'touchpoints', isShown: !options.json });
  const startedAt = performance.now();
  let tally: Tally;
  try {
    tally = await send(shipments, {
      url: target.url,
      connections: options.connections,
      rate: options.rate ?? null,
      signal,
      onAnswer: ({ accepted, rejected, retries }) =>
        bar.to(accepted + rejected, retries > 0 ? `${retries} retries` : ''),
    });
  } catch (error) {
    if (error instanceof SendRefused) throw new Refusal(`the collector refused: ${error.message}`);
    throw error;
  } finally {
    bar.stop();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const reasons = Object.fromEntries(tally.reasons);
  if (options.json) {
    const { accepted, rejected, requests, retries } = tally;
    return JSON.stringify({ accepted, rejected, reasons, requests, retries, without_key: keyless, seconds });
  }
  const rejects = tally.rejected > 0 ? `, ${tally.rejected} rejected (${JSON.stringify(reasons)})` : '';
  const skipped = keyless > 0 ? `; ${keyless} of the shop’s own server left out, they need --secret-key` : '';
  return `${tally.accepted} touchpoints accepted${rejects} in ${seconds.toFixed(1)} s${skipped}`;
}

function keyOf(batch: TouchpointBatch, target: Target): string | undefined {
  return (batch.by === 'browser' ? target.writeKeys : target.secretKeys)[batch.site];
}

async function writeTraffic(
  options: SimulateOptions,
  { file, signal }: { file: string; signal: AbortSignal },
): Promise<string> {
  const out: Writable = file === '-' ? process.stdout : createWriteStream(file);
  const bar = progressBar({
    total: options.touchpoints ?? 0,
    unit: 'touchpoints',
    isShown: !options.json && options.touchpoints !== undefined,
  });
  let written = 0;
  for (const batch of batchesOf(options, 1)) {
    if (signal.aborted) break;
    if (!out.write(`${batch.events.join('\n')}\n`)) await once(out, 'drain');
    written += batch.events.length;
    bar.to(written);
  }
  bar.stop();
  if (file !== '-') {
    out.end();
    await once(out, 'finish');
  }
  return options.json ? JSON.stringify({ written, file }) : `${written} touchpoints written to ${file}`;
}
