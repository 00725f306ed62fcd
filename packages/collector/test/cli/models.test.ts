import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';

let database: TestDatabase;
let folder: string;
let site: number;
beforeAll(async () => {
  database = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'milepost-models-'));
  ({ siteId: site } = await createSite(database.pool));
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

const command = (...args: string[]) => milepost(args, { DATABASE_URL: database.url });

test('a model is shown, changed, applied and shown again', async () => {
  const shown = await command('model', 'show', '--site', String(site));
  const document = JSON.parse(shown.stdout) as { name: string; timers: { after_hours: number }[] };
  expect(document).toMatchObject({ name: 'ecommerce', version: 1 });
  document.timers[0]!.after_hours = 48;
  const file = join(folder, 'model.json');
  writeFileSync(file, JSON.stringify(document));
  expect(await command('model', 'check', file)).toMatchObject({ code: 0 });
  const applied = await command('model', 'apply', file, '--site', String(site), '--json');
  expect(JSON.parse(applied.stdout)).toMatchObject({
    model: 'ecommerce',
    model_version: 2,
    is_changed: true,
  });
  const again = await command('model', 'show', '--site', String(site));
  expect(JSON.parse(again.stdout)).toEqual({ ...document, version: 2 });
});

test('a document with a mistake is refused by the name of its rule, and nothing changes', async () => {
  const file = join(folder, 'wrong.json');
  const { stdout } = await command('model', 'show', 'b2b_saas');
  writeFileSync(
    file,
    stdout.replace('"at_least": 0.8', '"more_than": 0.8').replace('"after_hours": 2160', '"after_hours": 0'),
  );
  const before = await command('model', 'show', '--site', String(site));
  const refused = await command('model', 'apply', file, '--site', String(site));
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/rule good_review: the condition .* is not understood/);
  expect((await command('model', 'show', '--site', String(site))).stdout).toBe(before.stdout);
});

test('a change of model under way is told beside the document, which stays a document', async () => {
  const { siteId: changing } = await createSite(database.pool);
  const { stdout: loyalty } = await command('model', 'show', 'loyalty');
  await database.pool.query('select store.begin_model_change($1, $2)', [changing, loyalty]);
  const shown = await command('model', 'show', '--site', String(changing));
  expect(JSON.parse(shown.stdout)).toMatchObject({ name: 'ecommerce' });
  expect(shown.stderr).toMatch(/^changing to version 2 since 2.+Z: 0 of 0 persons are derived under it\.\n$/);
});

test.each([
  [
    ['model', 'show'],
    /say which model to show: that of a site \(milepost model show --site 1\), or .* b2b_saas/,
  ],
  [['model', 'apply', 'ecommerce', '--site', '99'], /there is no site 99/],
  [
    ['model', 'apply', 'nosuch.json', '--site', '1'],
    /neither a model of Milepost's \(b2b_saas, ecommerce, loyalty\) nor a file/,
  ],
  [['override', 'set', 'decision', '--site', '1', '--author', 'me'], /say whose stage it is/],
  [
    ['override', 'set', 'decision', '--site', '1', '--author', 'me', '--user-id', 'u1'],
    /nobody of this site is known by that/,
  ],
])('%j is refused in a sentence', async (args, sentence) => {
  const refused = await command(...args);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(sentence);
});
