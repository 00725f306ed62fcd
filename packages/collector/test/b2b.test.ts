/** A product sold to organisations: from HTTP calls of its members to the stage of their account. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { readConfig } from '../src/config.ts';
import { applyModel } from '../src/models/apply.ts';
import { readModel } from '../src/models/shipped.ts';
import { startServer } from '../src/server.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { createSite, type TestSite } from './support/site.ts';

let database: TestDatabase;
let site: TestSite;
let server: Awaited<ReturnType<typeof startServer>>;
let folder: string;
beforeAll(async () => {
  database = await createDatabase();
  site = await createSite(database.pool);
  await applyModel(database.pool, { siteId: site.siteId, model: await readModel('b2b_saas') });
  folder = mkdtempSync(join(tmpdir(), 'milepost-b2b-'));
  const env = {
    DATABASE_URL: database.url,
    PORT: '0',
    BUFFER_URL: `lmdb:${folder}`,
    LOG_LEVEL: 'silent',
  };
  server = await startServer(readConfig(env));
});
afterAll(async () => {
  await server.stop();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

const start = Date.now() - 3_600_000;

/** Sends what a page or the product's server tells, a minute apart. */
async function tell(key: string, calls: object[]): Promise<void> {
  const batch = calls.map((call, index) => ({
    id: crypto.randomUUID(),
    occurred_at: new Date(start + index * 60_000).toISOString(),
    ...call,
  }));
  const answer = await fetch(`${server.url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ batch }),
  });
  const { results } = (await answer.json()) as { results: { status: string }[] };
  expect(results.map(({ status }) => status)).toEqual(calls.map(() => 'accepted'));
}

async function ask<Answer>(path: string): Promise<Answer> {
  const answer = await fetch(`${server.url}${path}`, {
    headers: { authorization: `Bearer ${site.secretKey}` },
  });
  return (await answer.json()) as Answer;
}

type Account = { stage: string; members: { user_id: string }[] };

test('an account comes as far as its furthest member, and back when that one leaves', async () => {
  const browser = { anonymous_id: 'browser-of-ada' };
  await tell(site.writeKey, [
    { type: 'page', ...browser },
    { name: 'pricing_viewed', ...browser },
    { type: 'identify', ...browser, user_id: 'ada', traits: { title: 'Head of IT' } },
    {
      type: 'group',
      ...browser,
      user_id: 'ada',
      account_id: 'acme',
      traits: { name: 'Acme', role: 'buyer' },
    },
    { name: 'trial_started', ...browser, user_id: 'ada', account_id: 'acme' },
  ]);
  await tell(site.secretKey, [
    { type: 'group', user_id: 'ben', account_id: 'acme', traits: { role: 'owner', seats: 25 } },
    {
      name: 'subscription_started',
      user_id: 'ben',
      account_id: 'acme',
      properties: { order_id: 'invoice-1', value: 4_800, currency: 'EUR' },
    },
    { name: 'Onboarding Step Completed', user_id: 'cleo', context: { groupId: 'acme' } },
    { name: 'onboarding_step_completed', user_id: 'ben', account_id: 'acme' },
  ]);

  await vi.waitFor(
    async () => {
      expect(await ask<Account>('/v1/accounts/acme')).toMatchObject({
        stage: 'retention',
        member_count: 2,
        members_by_stage: { decision: 1, retention: 1 },
        traits: { name: 'Acme', seats: 25 },
        order_count: 1,
        net_revenue: '4800.00',
      });
    },
    { timeout: 20_000, interval: 100 },
  );
  const { members } = await ask<Account>('/v1/accounts/acme');
  expect(members.toSorted((a, b) => (a.user_id < b.user_id ? -1 : 1))).toMatchObject([
    { user_id: 'ada', role: 'buyer', stage: 'decision', furthest_stage: 'decision' },
    { user_id: 'ben', role: 'owner', stage: 'retention', furthest_stage: 'retention' },
  ]);

  await tell(site.secretKey, [
    {
      name: 'Account Removed User',
      user_id: 'ben',
      account_id: 'acme',
      occurred_at: new Date().toISOString(),
    },
  ]);
  await vi.waitFor(
    async () => {
      const { rows } = await database.pool.query(
        `select stage, member_count::integer, order_count::integer, net_revenue::text from journey.accounts
         where site_id = $1 and account_id = 'acme'`,
        [site.siteId],
      );
      expect(rows).toEqual([{ stage: 'decision', member_count: 1, order_count: 0, net_revenue: '0' }]);
    },
    { timeout: 20_000, interval: 100 },
  );
}, 60_000);
