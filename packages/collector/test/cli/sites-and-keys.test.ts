import { afterAll, beforeAll, expect, test } from 'vitest';
import { keyHash } from '../../src/database/keys.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createDatabase();
});

afterAll(async () => {
  await db.drop();
});

async function asJson(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await milepost([...args, '--json'], { DATABASE_URL: db.url });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

test('a site is made, listed and changed', async () => {
  const args = ['--origin', 'https://ada.example', '--currency', 'GBP', '--session-gap', '20 minutes'];
  expect(await asJson('site', 'create', 'Ada’s shop', ...args)).toEqual({
    site_id: 1,
    name: 'Ada’s shop',
    identity_secret: expect.stringMatching(/^is_[0-9A-Za-z]{32}$/) as string,
  });
  await asJson(
    'site',
    'update',
    '1',
    '--cart-delay',
    '2 hours',
    '--origin',
    'https://a.example',
    '--origin',
    'https://b.example',
  );
  expect(await asJson('site', 'list')).toMatchObject([
    {
      site_id: 1,
      currency: 'GBP',
      session_gap: '00:20:00',
      cart_delay: '02:00:00',
      allowed_origins: ['https://a.example', 'https://b.example'],
    },
  ]);
});

test('every setting is shown with its meaning, and any of them is set', async () => {
  const { site_id: siteId } = (await asJson(
    'site',
    'create',
    'Settings',
    '--set',
    'engaged_after=15 seconds',
  )) as {
    site_id: number;
  };
  const changes = {
    trigger_steps: '0 minutes, 24 hours',
    own_hosts: 'Shop.example, www.other.example',
    is_session_split_by_campaign: 'no',
    cart_expiry: '14 days',
  };
  const set = Object.entries(changes).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  await asJson('site', 'update', `${siteId}`, '--session-gap', '20 minutes', ...set);
  const shown = (await asJson('site', 'settings', `${siteId}`)) as { setting: string; value: string }[];
  expect(Object.fromEntries(shown.map(({ setting, value }) => [setting, value]))).toMatchObject({
    engaged_after: '15 seconds',
    session_gap: '20 minutes',
    trigger_steps: '0 seconds, 24 hours',
    own_hosts: 'shop.example, other.example',
    is_session_split_by_campaign: 'no',
    cart_expiry: '14 days',
    session_limit: '24 hours',
    oldest_live_touchpoint: '13 months',
  });
  await asJson('site', 'update', `${siteId}`, '--set', 'own_hosts=');
  const { stdout } = await milepost(['site', 'settings', `${siteId}`], { DATABASE_URL: db.url });
  expect(stdout).toMatch(/^engaged_after +15 seconds +10 seconds +Time in the foreground/m);
  expect(stdout).toMatch(/^own_hosts +- +- +Hosts of the site/m);
});

test.each([
  { given: ['--set', 'session_gap=-5 minutes'], says: 'session_gap cannot be “-5 minutes”. Write it like' },
  { given: ['--set', 'session_gap=31 days'], says: 'from 1 second to 7 days' },
  {
    given: ['--set', 'engaged_after=24 hours'],
    says: 'engaged_after (24 hours) must be less than session_limit (24 hours)',
  },
  {
    given: ['--set', 'session_limit=10 minutes'],
    says: 'session_gap (20 minutes) must be at most session_limit',
  },
  { given: ['--set', 'trigger_steps=24 hours, 1 hour'], says: 'each longer than the one before' },
  { given: ['--set', 'colour=red'], says: 'there is no setting colour; there are time_zone, currency' },
  { given: ['--set', 'session_gap'], says: '“session_gap” names no setting and value' },
  { given: ['--set', 'currency=EUR', '--set', 'currency=USD'], says: 'currency is given twice' },
  { given: ['--set', 'currency=EUR', '--currency', 'USD'], says: 'currency is given twice' },
  { given: ['--consent-required', 'maybe'], says: 'consent_required cannot be “maybe”. Say yes or no.' },
])(
  'a setting that is not allowed is refused, with what was given and what is: $given',
  async ({ given, says }) => {
    const { code, stderr } = await milepost(['site', 'update', '1', ...given], { DATABASE_URL: db.url });
    expect(stderr).toContain(says);
    expect(code).toBe(1);
  },
);

test('a site is deleted when that is meant, and its number never given again', async () => {
  const { site_id: siteId } = (await asJson('site', 'create', 'Short-lived')) as { site_id: number };
  const asked = await milepost(['site', 'delete', `${siteId}`], { DATABASE_URL: db.url });
  expect(asked).toMatchObject({ code: 1, stdout: '' });
  expect(asked.stderr).toMatch(/would delete site \d+, “Short-lived”, .* say --yes/);
  expect(await asJson('site', 'delete', `${siteId}`, '--yes')).toMatchObject({
    site_id: siteId,
    name: 'Short-lived',
  });
  const again = await milepost(['site', 'delete', `${siteId}`, '--yes'], { DATABASE_URL: db.url });
  expect(again.code).toBe(1);
  expect(again.stderr).toMatch(/there is no site/);
  expect(await asJson('site', 'create', 'After')).toMatchObject({ site_id: siteId + 1 });
});

test('an identity secret is shown once, and followed by another while it still holds for a day', async () => {
  type Made = { site_id: number; identity_secret: string; earlier_hold_until: string | null };
  const { site_id: siteId, identity_secret: first } = (await asJson('site', 'create', 'Proofs')) as Made;
  const second = (await asJson('site', 'rotate-secret', `${siteId}`)) as Made;
  expect(second.identity_secret).not.toBe(first);
  const hours = (Date.parse(second.earlier_hold_until!) - Date.now()) / 3_600_000;
  expect(hours).toBeGreaterThan(23);
  expect(hours).toBeLessThan(25);
  const { stdout } = await milepost(['site', 'list', '--json'], { DATABASE_URL: db.url });
  expect(stdout).not.toContain(first);

  const third = (await asJson('site', 'rotate-secret', `${siteId}`, '--overlap', '0 seconds')) as Made;
  expect(third.earlier_hold_until).toBeNull();
  const { rows } = await db.pool.query('select secret from store.identity_secrets where site_id = $1', [
    siteId,
  ]);
  expect(rows).toEqual([{ secret: third.identity_secret }]);
});

test('two sites made at once get numbers of their own', async () => {
  const made = (await Promise.all([asJson('site', 'create', 'One'), asJson('site', 'create', 'Two')])) as {
    site_id: number;
  }[];
  expect(new Set(made.map((site) => site.site_id)).size).toBe(2);
});

test('a secret key is shown once and kept only as a hash', async () => {
  const { site_id: siteId } = (await asJson('site', 'create', 'Keys')) as { site_id: number };
  const made = (await asJson(
    'key',
    'create',
    '--site',
    `${siteId}`,
    '--kind',
    'secret',
    '--scope',
    'read:stages',
  )) as {
    key: string;
    key_id: string;
  };
  expect(made.key).toMatch(/^sk_[0-9A-Za-z]{32}$/);
  const { rows } = await db.pool.query('select text, key_hash, scopes from store.keys where key_id = $1', [
    made.key_id,
  ]);
  expect(rows).toEqual([{ text: null, key_hash: keyHash(made.key), scopes: ['read:stages'] }]);
  const listed = await milepost(['key', 'list', '--site', `${siteId}`], { DATABASE_URL: db.url });
  expect(listed.stdout).toContain(made.key.slice(0, 7));
  expect(listed.stdout).not.toContain(made.key);
});

test('a write key stays readable, and a revoked key says when it ended', async () => {
  const { site_id: siteId } = (await asJson('site', 'create', 'Revoked')) as { site_id: number };
  const { key } = (await asJson('key', 'create', '--site', `${siteId}`, '--kind', 'write')) as {
    key: string;
  };
  expect(key).toMatch(/^wk_[0-9A-Za-z]{32}$/);
  await asJson('key', 'revoke', key);
  expect(await asJson('key', 'list', '--site', `${siteId}`)).toMatchObject([
    { key, kind: 'write', revoked_at: expect.stringMatching(/^20/) as string },
  ]);
});

test.each([
  { args: ['site', 'update', '99', '--name', 'x'], says: 'there is no site 99' },
  { args: ['site', 'rotate-secret', '99'], says: 'there is no site 99' },
  {
    args: ['site', 'create', 'x', '--currency', 'euro'],
    says: 'currency cannot be “euro”. A currency is three capitals',
  },
  { args: ['site', 'create', 'x', '--time-zone', 'Mars/Base'], says: 'time_zone cannot be “Mars/Base”' },
  { args: ['site', 'settings', '99'], says: 'there is no site 99' },
  { args: ['site', 'update', '99', '--set', 'session_gap=1 hour'], says: 'there is no site 99' },
  { args: ['key', 'create', '--site', '99', '--kind', 'write'], says: 'there is no site 99' },
  {
    args: ['key', 'create', '--site', '1', '--kind', 'secret', '--scope', 'fly'],
    says: 'there is no scope fly',
  },
  { args: ['key', 'revoke', 'wk_nothing'], says: 'there is no such live key' },
])('milepost $args fails with a sentence', async ({ args, says }) => {
  const { code, stderr } = await milepost(args, { DATABASE_URL: db.url });
  expect(code).toBe(1);
  expect(stderr).toContain(says);
  expect(stderr).not.toMatch(/\n\s+at /);
});

test('help teaches the way from an empty database to the first touchpoint', async () => {
  const { code, stdout } = await milepost(['--help']);
  expect(code).toBe(0);
  for (const step of ['milepost migrate', 'milepost site create', 'milepost key create', 'milepost serve']) {
    expect(stdout).toContain(step);
  }
});
