import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../../collector/src/config.ts';
import { startServer, type Server } from '../../../collector/src/server.ts';
import { createDatabase, type TestDatabase } from '../../../collector/test/support/database.ts';
import { createSite } from '../../../collector/test/support/site.ts';
import {
  milepost,
  openBrowsers,
  rowsOf,
  runAll,
  scenarios,
  servePages,
  type Browsers,
  type Ground,
  type Pages,
} from './index.ts';

// Two visits of each; `npm run bench -- --only sdk-delivery` makes twenty, and of all the other scenarios too. What
// collector.test.ts has in rows is not here again.
const elsewhere = ['nav', 'close', 'down', '503', 'offline', 'burst-nav', 'big'];

const folder = mkdtempSync(join(tmpdir(), 'milepost-torture-'));
let database: TestDatabase;
let server: Server;
let browsers: Browsers;
let pages: Pages;
let ground: Omit<Ground, 'profiles'>;

beforeAll(async () => {
  database = await createDatabase();
  const { siteId, writeKey } = await createSite(database.pool);
  server = await startServer(
    readConfig({
      DATABASE_URL: database.url,
      PORT: '0',
      BUFFER_URL: `lmdb:${join(folder, 'buffer')}`,
      ROLES: 'ingest,write',
      LOG_LEVEL: 'silent',
    }),
  );
  [browsers, pages] = await Promise.all([openBrowsers(), milepost().then(servePages)]);
  ground = {
    pages,
    upstream: server.url,
    key: writeKey,
    copiesOf: rowsOf(database.pool, siteId),
    // a machine at work on other tests may be slow; nothing here is measured
    patience: { stayMs: 10_000, returnMs: 15_000, graceMs: 200 },
  };
});
afterAll(async () => {
  await browsers.close();
  pages.close();
  await server.stop();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

test.each(scenarios.filter(({ name }) => !elsewhere.includes(name)))(
  'every event is one row: $what',
  { timeout: 60_000 },
  async (scenario) => {
    const profiles = await browsers.profiles(scenario.needs);
    for (const outcome of await runAll(scenario, { ...ground, profiles }, 2)) {
      expect(outcome).toMatchObject({ lost: 0, twice: 0, errors: 0 });
    }
  },
);
