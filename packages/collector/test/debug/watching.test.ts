import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { newId } from '@milepost/shared';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DebugEvent } from '../../src/debug/events.ts';
import { EventReader } from '../api/events.ts';
import { CollectorProcess, freePort } from '../ingest/process.ts';
import { type TestDatabase, createDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { type TestSite, createSite } from '../support/site.ts';

let database: TestDatabase;
let folder: string;
let collector: CollectorProcess;
let site: TestSite;
let other: TestSite;

beforeAll(async () => {
  database = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'milepost-debug-'));
  collector = new CollectorProcess({ databaseUrl: database.url, folder, port: await freePort() });
  await collector.start();
  site = await createSite(database.pool);
  other = await createSite(database.pool);
});
afterAll(async () => {
  await collector.end('SIGTERM');
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

const human =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

async function send(batch: object[], key = site.writeKey): Promise<void> {
  const answer = await fetch(`${collector.url}/v1/events?k=${key}`, {
    method: 'POST',
    body: JSON.stringify({ sent_at: Date.now(), batch }),
    headers: { 'user-agent': human },
  });
  expect(answer.status).toBe(200);
}

const touchpoint = (fields: object) => ({
  id: newId(),
  name: 'page_view',
  type: 'page',
  anonymous_id: 'visitor-1',
  occurred_at: Date.now() as number | string,
  ...fields,
});

const viewed = touchpoint({
  properties: { colour: 'red', email: 'ada@example.com' },
  context: { page: { url: 'https://shop.example/boots?token=secret#top' } },
});
const product = { currency: 'EUR', items: [{ item_id: 'boots', price: 50, quantity: 1 }] };
const added = touchpoint({ name: 'add_to_cart', type: 'track', properties: product });
const crawled = touchpoint({ context: { userAgent: 'Googlebot/2.1' }, anonymous_id: 'robot' });
const broken = touchpoint({ name: 'broken', type: 'track', occurred_at: 'soon' });

/** Reads until each kind of event was seen. */
async function untilAllSeen(next: () => Promise<DebugEvent>): Promise<DebugEvent[]> {
  const seen: DebugEvent[] = [];
  const count = (type: string) => seen.filter((event) => event.type === type).length;
  while (count('touchpoint') < 3 || count('rejected') < 1 || count('derived') < 2 || count('duplicates') < 1)
    seen.push(await next());
  return seen;
}

async function sendAll(): Promise<void> {
  await send([touchpoint({ anonymous_id: 'somebody of another site' })], other.writeKey);
  await send([viewed, added, crawled, broken]);
  await send([viewed]);
}

function expectAllTold(seen: DebugEvent[]): void {
  expect(JSON.stringify(seen)).not.toMatch(/another site|ada@example|token|secret/);
  expect(seen).toContainEqual(
    expect.objectContaining({
      type: 'touchpoint',
      verdict: 'accepted',
      touchpoint_id: viewed.id,
      visitor_id: viewed.anonymous_id,
      page: '/boots',
      properties: { colour: 'red' },
    }),
  );
  expect(seen).toContainEqual(
    expect.objectContaining({ verdict: 'bot', touchpoint_id: crawled.id, reasons: ['user_agent'] }),
  );
  expect(seen).toContainEqual(
    expect.objectContaining({ verdict: 'rejected', name: 'broken', reason: 'bad_time' }),
  );
  expect(seen).toContainEqual({ type: 'duplicates', verdict: 'duplicate', count: 1 });
  expect(seen).toContainEqual(
    expect.objectContaining({
      type: 'derived',
      touchpoint_id: added.id,
      signal: 'decide',
      stage: 'decision',
      person_id: expect.any(String),
      session_id: expect.any(String),
      transition: expect.objectContaining({ to_stage: 'decision', direction: 'forward' }),
    }),
  );
}

test('GET /v1/debug/stream tells what arrives with verdict, person, signal and transition', async () => {
  const reader = await EventReader.open(`${collector.url}/v1/debug/stream`, {
    authorization: `Bearer ${site.secretKey}`,
  });
  expect(reader.headers.get('content-type')).toMatch('text/event-stream');
  expect(await reader.next()).toBeDefined(); // it is watching
  await sendAll();
  const seen = await untilAllSeen(async () => (await reader.nextChange<DebugEvent>())!.change);
  reader.close();
  // a key of all scopes sees contacts
  expect(seen).toContainEqual(
    expect.objectContaining({
      touchpoint_id: viewed.id,
      properties: { colour: 'red', email: 'ada@example.com' },
    }),
  );
  expectAllTold(seen.map(withoutContacts));
});

function withoutContacts(event: DebugEvent): DebugEvent {
  if (event.type !== 'touchpoint' || event.properties === null) return event;
  const { email: _, ...properties } = event.properties;
  return { ...event, properties };
}

test('without read:contacts properties are shown without e-mail addresses and phone numbers', async () => {
  const own = await createSite(database.pool, { scopes: ['read:debug'] });
  const reader = await EventReader.open(`${collector.url}/v1/debug/stream`, {
    authorization: `Bearer ${own.secretKey}`,
  });
  await reader.next();
  await send([touchpoint({ properties: { email: 'ada@example.com', phone: '1', size: 42 } })], own.writeKey);
  const { change } = (await reader.nextChange<DebugEvent>())!;
  reader.close();
  expect(change).toMatchObject({ type: 'touchpoint', properties: { size: 42 } });
  expect(JSON.stringify(change)).not.toMatch('ada@');
});

test('a key without the scope read:debug watches nothing', async () => {
  const { secretKey } = await createSite(database.pool, { scopes: ['read:changes'] });
  const answer = await fetch(`${collector.url}/v1/debug/stream`, {
    headers: { authorization: `Bearer ${secretKey}` },
  });
  expect(answer.status).toBe(403);
});

test('milepost tail --json tells the same, and ends by Ctrl-C', async () => {
  const again = [viewed, added, crawled, broken];
  for (const event of again)
    Object.assign(event, { id: newId(), anonymous_id: `later ${event.anonymous_id}` });
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const args = [main, 'tail', '--site', String(site.siteId), '--json'];
  const env = { PATH: process.env['PATH'], DATABASE_URL: database.url };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  await once(child.stderr, 'data'); // it says that it watches
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  await sendAll();
  expectAllTold(
    await untilAllSeen(async () => JSON.parse((await lines.next()).value as string) as DebugEvent),
  );
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('milepost tail prints a line for each, and nothing that steers a terminal', async () => {
  const own = await createSite(database.pool);
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const env = { PATH: process.env['PATH'], DATABASE_URL: database.url, NO_COLOR: '1' };
  const child = spawn(process.execPath, [main, 'tail', '--site', String(own.siteId)], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await once(child.stderr, 'data'); // it says that it watches
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const read: string[] = [];
  await send([touchpoint({ name: 'odd\u001b[2Jname', type: 'track' })], own.writeKey);
  while (read.length < 2) read.push((await lines.next()).value as string);
  child.kill('SIGINT');
  await once(child, 'exit');
  expect(read[0]).toMatch(/^[\d:.]{12} accepted {2}odd·\[2Jname +web {2}visitor-1$/);
  expect(read[1]).toMatch(/^ +└ odd·\[2Jname of person [\da-f-]{36}: new → awareness/);
});

test('milepost tail asks which site where there are several', async () => {
  expect(await milepost(['tail'], { DATABASE_URL: database.url })).toMatchObject({
    code: 1,
    stderr: 'milepost: there are several sites; say --site <number>, milepost site list shows them.\n',
  });
});
