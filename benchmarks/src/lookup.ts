import { statfs } from 'node:fs/promises';
import { Agent, get } from 'node:http';

import { createPool } from '@milepost/collector/database/pool';
import { rebuild } from '@milepost/collector/derive/rebuild';
import { seededRandom } from '@milepost/collector/simulate/random';
import pg from 'pg';

import { copyChunks, copyInto } from './copy.ts';
import { derivableRate } from './latency.ts';
import { prepareLoad, quantile, sendLoad, startOf } from './load.ts';
import { type Report, say } from './report.ts';
import { type Stand, startCollector } from './stand.ts';
import { goals } from './throughput.ts';
import { startUsage } from './usage.ts';

const dayMs = 86_400_000;

/** A person to ask for, and the key of their site. */
type Person = { siteId: number; personId: string };

/**
 * One person's stage by the API, of random persons of all sites, with many touchpoints stored: one call after the other,
 * first alone, then with the collector working at half of what it can derive, on the same cores.
 */
export async function lookup(
  stand: Stand,
  report: Report,
  { derivedRate, touchpoints, calls }: { derivedRate: number | null; touchpoints: number; calls: number },
): Promise<void> {
  await fill(stand, touchpoints);
  const collector = await startCollector(stand, { roles: goals.derived.roles });
  try {
    const rate = (derivedRate ?? (await derivableRate(stand, collector))) / 2;
    const persons = await randomPersons(stand, calls);
    const random = seededRandom(41);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = () => askFor(stand, { url: collector.url, agent, person: random.pick(persons) });
    for (let call = 0; call < 300; call += 1) await ask();

    say(`lookup: ${calls} calls`);
    const askAll = async () => {
      const times: number[] = [];
      for (let call = 0; call < calls; call += 1) times.push(await ask());
      return times;
    };
    const quiet = await askAll();

    // A load that outlasts the calls; it is stopped with them.
    const seconds = 20 + calls / 100;
    const load = prepareLoad(stand.sites, {
      seed: 22,
      touchpoints: Math.ceil(rate * seconds),
      startMs: startOf(rate * seconds),
    });
    const isAsking = { value: true };
    function* whileAsking() {
      for (const request of load.requests) if (isAsking.value) yield request;
    }
    say(`lookup: ${calls} calls while ${Math.round(rate)} touchpoints/s are written`);
    const endUsage = startUsage(stand, collector);
    const sending = sendLoad(whileAsking(), { url: collector.url, connections: 32, rate });
    const startedAt = performance.now();
    const busy = await askAll();
    const asked = (performance.now() - startedAt) / 1_000;
    isAsking.value = false;
    const sent = await sending;
    const usage = endUsage(sent.touchpoints);
    agent.destroy();
    const figures = (times: number[]) => ({
      p50: quantile(times, 0.5),
      p90: quantile(times, 0.9),
      p99: quantile(times, 0.99),
      longest: Math.max(...times),
    });
    report.add({
      name: 'stage_lookup_p99',
      figure: quantile(quiet, 0.99),
      unit: 'ms',
      bar: { below: 10 },
      details: {
        ...figures(quiet),
        calls,
        touchpoints_stored_before: touchpoints,
        while_written: {
          ...figures(busy),
          calls_per_second: calls / asked,
          was_loaded_to_the_end: sent.seconds >= asked,
          touchpoints_per_second: sent.touchpoints / sent.seconds,
          ...usage,
        },
      },
    });
  } finally {
    await collector.stop();
  }
}

/** Stores touchpoints of the last thirty days by COPY, and derives everything from them. */
export async function fill(stand: Stand, touchpoints: number): Promise<void> {
  await refuseWithoutRoom(stand.folder, touchpoints * bytesPerTouchpoint);
  say(`${touchpoints} touchpoints by COPY`);
  const client = new pg.Client({ connectionString: stand.url });
  await client.connect();
  try {
    const startMs = Date.now() - 30 * dayMs;
    const sessionsPerSecond = touchpoints / 8 / (29 * 86_400);
    const chunks = copyChunks(stand, { seed: 5, touchpoints, startMs, sessionsPerSecond });
    await copyInto(client, 'store.touchpoints', chunks);
  } finally {
    await client.end();
  }
  say('deriving them');
  const pool = createPool(stand.url, { name: 'bench rebuild', connections: 4 });
  try {
    let said = '';
    await rebuild(pool, {
      onProgress: (phase, done, total) => {
        const text = `${phase}, ${Math.floor((10 * done) / total) * 10} %`;
        if (text !== said) say(text);
        said = text;
      },
    });
    await pool.query('vacuum analyze');
  } finally {
    await pool.end();
  }
}

// Rows, indexes, WAL, what is derived, and its twins while it is.
const bytesPerTouchpoint = 6_000;

/** Fails unless so many bytes are free where the folder is. */
export async function refuseWithoutRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free > bytes) return;
  const gigabytes = (count: number) => (count / 1e9).toFixed(1);
  throw new Error(`the folder has ${gigabytes(free)} GB free, wanted are ${gigabytes(bytes)} GB`);
}

async function randomPersons(stand: Stand, count: number): Promise<Person[]> {
  const { rows } = await stand.pool.query<{ site_id: number; person_id: string }>(
    'select site_id, person_id from journey.current_stages order by random() limit $1',
    [count],
  );
  return rows.map(({ site_id: siteId, person_id: personId }) => ({ siteId, personId }));
}

/** One call, in milliseconds from asking to the last byte. */
async function askFor(
  stand: Stand,
  { url, agent, person }: { url: string; agent: Agent; person: Person },
): Promise<number> {
  const site = stand.sites.find(({ siteId }) => siteId === person.siteId);
  const headers = { authorization: `Bearer ${site?.secretKey}` };
  const startedAt = performance.now();
  const text = await new Promise<string>((resolve, reject) => {
    get(`${url}/v1/persons/${person.personId}`, { agent, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => {
        if (response.statusCode === 200) resolve(body);
        else reject(new Error(`the API answered ${response.statusCode}: ${body.slice(0, 300)}`));
      });
      response.on('error', reject);
    }).on('error', reject);
  });
  const ms = performance.now() - startedAt;
  if (!text.includes('"stage":')) throw new Error('the answer has no stage');
  return ms;
}
