/** `milepost backup` and `milepost restore` of what is stored and derived. */
import { existsSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { backup, restore } from '../../src/backup/index.ts';
import { keyHash } from '../../src/database/keys.ts';
import { holdsIdentitySecret, renewIdentitySecret } from '../../src/database/identity-secrets.ts';
import { createReader } from '../../src/database/readers.ts';
import { updateSite } from '../../src/database/sites.ts';
import { rebuild } from '../../src/derive/index.ts';
import { deliver, receiver, happen, webhook } from '../deliver/fixture.ts';
import { touchpointsOfHouseholds } from '../derive/households.ts';
import { expectVerified, textOfViews, viewNames } from '../derive/views.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';
import { backupFile, database, emptyDatabase, restoredCopy, textOfTables } from './fixture.ts';

// The feed's end and the instant from which triggers are armed move on, and the webhooks' place with the feed.
const moved = ['feeds', 'sites', 'webhooks'];

test('a restored Milepost has every row, view, key and secret of the one backed up, verifies, and goes on', async () => {
  const { pool } = await database();
  const sites = [
    await createSite(pool),
    await createSite(pool, { name: 'Zwölf', time_zone: 'Asia/Kathmandu' }),
  ];
  const { secret } = await renewIdentitySecret(pool, { siteId: sites[0]!.siteId });
  for (const site of sites) await happen(pool, site, touchpointsOfHouseholds(2));
  await happen(pool, sites[0]!, [
    {
      at: Date.now() - 1_000,
      anonymous_id: 'odd \\ "text"\t\n\\N',
      properties: { price: 0.1, none: null, snow: '☃', path: 'C:\\new\\.' },
    },
  ]);
  const before = await textOfTables(pool);

  const copy = await restoredCopy(pool);
  const after = await textOfTables(copy.pool);
  expect(Object.keys(after)).toEqual(Object.keys(before));
  for (const name of Object.keys(before)) {
    if (!moved.includes(name)) expect(after[name], name).toBe(before[name]);
  }
  const views = [
    ...(await viewNames(pool)),
    'changes',
    'cart_triggers',
    'webhook_deliveries',
    'rejected_events',
  ];
  for (const site of sites)
    expect(await textOfViews(copy.pool, site, views)).toEqual(await textOfViews(pool, site, views));
  await expectVerified(copy.pool);

  const { rows: keys } = await copy.pool.query(
    'select from store.keys where key_hash = any ($1) and revoked_at is null',
    [[keyHash(sites[0]!.writeKey), keyHash(sites[0]!.secretKey)]],
  );
  expect(keys).toHaveLength(2);
  expect(await holdsIdentitySecret(copy.pool, sites[0]!.siteId, secret)).toBe(true);
  await happen(copy.pool, sites[0]!, [
    { at: Date.now() - 5_000, anonymous_id: 'new' },
    { at: Date.now() - 4_000, anonymous_id: 'new', name: 'add_to_cart', properties: { cart_id: 'c' } },
  ]);
  await expectVerified(copy.pool);
}, 60_000);

test('a setting that waits for its derivation waits on after a restore', async () => {
  const { pool } = await database();
  const site = await createSite(pool);
  await happen(pool, site, touchpointsOfHouseholds(1));
  await updateSite(pool, site.siteId, { session_gap: '10 minutes' });
  const copy = await restoredCopy(pool);
  await rebuild(copy.pool, { workers: 1 });
  const { rows } = await copy.pool.query('select session_gap::text from store.sites');
  expect(rows).toEqual([{ session_gap: '00:10:00' }]);
  await expectVerified(copy.pool);
}, 60_000);

test('webhooks go on after a restore, and tell each change once; in a silent one nothing is told', async () => {
  const { pool } = await database();
  const site = await createSite(pool);
  const listener = await receiver();
  await webhook(pool, site, { url: listener.url });
  const order = (id: string) => ({
    at: Date.now() - 1_000,
    anonymous_id: 'ada',
    name: 'purchase',
    properties: { transaction_id: id, value: 5, currency: 'EUR' },
  });
  await happen(pool, site, [order('untold')]);

  const silent = await restoredCopy(pool, { isSilent: true });
  const stopSilent = deliver(silent.pool);
  await happen(silent.pool, site, [order('silent')]);
  const copy = await restoredCopy(pool);
  deliver(copy.pool);
  await happen(copy.pool, site, [order('after')]);
  await expect.poll(() => listener.received.length, { timeout: 10_000 }).toBe(2);
  await stopSilent();
  const told = listener.received.map(({ body }) => body.data['subject_id']);
  expect(new Set(told)).toEqual(new Set(['untold', 'after']));
}, 60_000);

test('readers of one site read it again where their role is known; others are named', async () => {
  const { pool, url } = await database();
  const site = await createSite(pool);
  await happen(pool, site, touchpointsOfHouseholds(1));
  const role = `reader_${new URL(url).pathname.slice(1)}`;
  await createReader(pool, { role, siteId: site.siteId });
  const file = backupFile();
  await backup(pool, { file });

  const same = await emptyDatabase();
  expect((await restore(same.pool, { file })).missingReaders).toEqual([]);
  const client = await same.pool.connect();
  await client.query(`set role ${role}`);
  const { rows } = await client.query<{ count: number }>(
    `select count(*)::integer as count from journey_site_${site.siteId}.persons`,
  );
  await client.query('reset role');
  client.release();
  expect(rows[0]!.count).toBeGreaterThan(0);

  const other = await emptyDatabase();
  await pool.query(`drop owned by ${role}`);
  await same.pool.query(`drop owned by ${role}`);
  await pool.query(`drop role ${role}`);
  expect((await restore(other.pool, { file })).missingReaders).toEqual([
    { role, schema: `journey_site_${site.siteId}` },
  ]);
}, 60_000);

test('the file is for its owner alone, is never written over, and appears whole or not at all', async () => {
  const { pool, url } = await database();
  const file = backupFile();
  const first = await milepost(['backup', file, '--json'], { DATABASE_URL: url });
  expect(first.stderr).toBe('');
  expect(JSON.parse(first.stdout)).toMatchObject({ file, touchpoints: 0, behind: [] });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await expect(backup(pool, { file })).rejects.toThrow(`there is a file ${file} already; say another name.`);
  const elsewhere = `${file}.other`;
  await expect(backup((await emptyDatabase()).pool, { file: elsewhere })).rejects.toThrow();
  expect([existsSync(elsewhere), existsSync(`${elsewhere}.unfinished`)]).toEqual([false, false]);
}, 60_000);
