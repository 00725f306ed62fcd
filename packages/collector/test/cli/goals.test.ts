import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deriveUntilIdle } from '../../src/derive/index.ts';
import { storeGiven } from '../derive/given.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';

let database: TestDatabase;
let folder: string;
let site: number;
beforeAll(async () => {
  database = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'milepost-goals-'));
  ({ siteId: site } = await createSite(database.pool));
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

const command = (...args: string[]) => milepost(args, { DATABASE_URL: database.url });

async function apply(goals: unknown, ...more: string[]) {
  const file = join(folder, 'goals.json');
  writeFileSync(file, JSON.stringify(goals));
  return command('goal', 'apply', file, '--site', String(site), ...more);
}

test('goals are shown, added to and applied to the whole history', async () => {
  await storeGiven(database.pool, { siteId: site }, [
    { at: '2026-01-05T10:00Z', name: 'sign_up', anonymous_id: 'ada' },
  ]);
  await deriveUntilIdle(database.pool);
  const shown = JSON.parse((await command('goal', 'show', '--site', String(site))).stdout) as object[];
  expect(shown).toMatchObject([{ name: 'purchase', is_primary: true }]);
  const added = [...shown, { name: 'lead', event: 'sign_up' }];
  expect(JSON.parse((await apply(added, '--json')).stdout)).toEqual({
    site_id: site,
    goals: 'purchase, lead',
    is_changed: true,
  });
  const { rows } = await database.pool.query('select goal from journey.conversions where site_id = $1', [
    site,
  ]);
  expect(rows).toEqual([{ goal: 'lead' }]);
  expect(JSON.parse((await apply(added, '--json')).stdout)).toMatchObject({ is_changed: false });
});

test.each([
  [[{ name: 'lead' }], /- goal lead, event: /],
  [
    [{ name: 'lead', event: 'x', when: { property: 'a', more: 1 } }],
    /- goal lead: the condition .* is not understood/,
  ],
  [[{ event: 'x' }, 7], /- goal number 1, name: .*\n- goal number 2: /],
  [
    [
      { name: 'a', event: 'x' },
      { name: 'a', event: 'y' },
    ],
    /- goal a, name: stands twice; rename one/,
  ],
  [{ name: 'lead' }, /- the goals: .*; write a list of goals/],
])('%j is refused in sentences that name the goal', async (goals, sentence) => {
  const refused = await apply(goals);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(sentence);
});
