import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';

let database: TestDatabase;
let folder: string;
let site: string;
beforeAll(async () => {
  database = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'milepost-channels-'));
  site = String((await createSite(database.pool)).siteId);
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

const command = (...args: string[]) => milepost(args, { DATABASE_URL: database.url });

function fileOf(document: unknown): string {
  const file = join(folder, 'channels.json');
  writeFileSync(file, typeof document === 'string' ? document : JSON.stringify(document));
  return file;
}

test('channels are set, listed before the default ones, shown as their document and reset', async () => {
  const document = {
    default_rules: 'after',
    rules: [
      { channel: 'Partners', sources: ['Partner'], medium_pattern: '^partner', match: 'any' },
      { channel: 'Brand Search', category: 'search', campaign_pattern: 'brand', match: 'all' },
    ],
  };
  const set = await command('channel', 'set', fileOf(document), '--site', site, '--json');
  expect(JSON.parse(set.stdout)).toEqual({
    site_id: Number(site),
    rules: 2,
    default_rules: 'after',
    rows_changed: 0,
  });
  const listed = JSON.parse((await command('channel', 'list', '--site', site, '--json')).stdout) as object[];
  expect(listed).toHaveLength(22);
  expect(listed).toMatchObject([
    { channel: 'Partners', is_own: true, position: 1 },
    { channel: 'Brand Search', is_own: true },
    { channel: 'Direct', is_own: false },
    ...Array.from({ length: 19 }, () => ({ is_own: false })),
  ]);
  const shown = await command('channel', 'list', '--site', site, '--own');
  document.rules[0]!.sources = ['partner'];
  expect(JSON.parse(shown.stdout)).toEqual(document);
  expect((await command('channel', 'list', '--site', site)).stdout).toMatch(
    /^own 1 +Partners +any +sources=partner medium_pattern=\^partner$/m,
  );

  const alone = await command(
    'channel',
    'set',
    fileOf({ ...document, default_rules: 'none' }),
    '--site',
    site,
  );
  expect(alone.code).toBe(0);
  const all = JSON.parse((await command('channel', 'list', '--site', site, '--json')).stdout) as object[];
  expect(all).toMatchObject([
    { channel: 'Partners' },
    { channel: 'Brand Search' },
    { channel: 'Unassigned' },
  ]);
  const again = await command('channel', 'list', '--site', site, '--own');
  expect(JSON.parse(again.stdout)).toEqual({ ...document, default_rules: 'none' });

  expect(await command('channel', 'reset', '--site', site)).toMatchObject({ code: 0 });
  const refused = await command('channel', 'list', '--site', site, '--own');
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(/has no channels of its own/);
});

test.each([
  ['{', /is no JSON/],
  [{ rules: [] }, /rules: /],
  [{ rules: [{ channel: 'A' }] }, /rule 1 \(A\): it has no condition/],
  [{ rules: [{ channel: 'A', mediums: ['x'], source: 'x' }] }, /rule 1 \(A\): .*source/],
  [{ rules: [{ channel: 'A', category: 'serch' }] }, /rule 1 \(A\), category: /],
  [{ rules: [{ mediums: ['x'] }] }, /rule 1, channel: /],
  [{ rules: [{ channel: 'A', medium_pattern: '(a' }] }, /rule 1 \(A\), medium_pattern: parentheses/],
  [{ rules: [{ channel: 'A', source_pattern: '(a)\\1' }] }, /rule 1 \(A\), source_pattern: refers back/],
])('%j is refused in a sentence that names the rule, and nothing changes', async (document, sentence) => {
  const refused = await command('channel', 'set', fileOf(document), '--site', site);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(sentence);
  const { rows } = await database.pool.query('select from store.channel_rules where site_id = $1', [site]);
  expect(rows).toEqual([]);
});

test('hosts of a site are kept as referrers are compared, and networks are read', async () => {
  const ownHosts = ['--own-host', 'https://WWW.Müller.example:8080/x', '--own-host', '*.shop.example.'];
  const others = ['--excluded-referrer', 'Bank.example', '--internal-network', '203.0.113.0/24'];
  const updated = await command('site', 'update', site, ...ownHosts, ...others, '--json');
  expect(updated.code).toBe(0);
  const [row] = JSON.parse((await command('site', 'list', '--json')).stdout) as Record<string, unknown>[];
  expect(row).toMatchObject({
    own_hosts: ['xn--mller-kva.example', 'shop.example'],
    excluded_referrers: ['bank.example'],
    internal_networks: ['203.0.113.0/24'],
  });
  const refused = await command('site', 'update', site, '--internal-network', 'office');
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toMatch(/Write addresses or networks/);
});
