import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allScopes } from '../../src/api/scopes.ts';
import { createKey } from '../../src/database/keys.ts';
import { tokenOf, type Link } from '../../src/ingest/links/token.ts';
import type { MadeLink } from '../../src/ingest/links/make.ts';
import { runCollector } from '../../../sdk/test/support/collector.ts';
import { createSite } from '../support/site.ts';

// Opens and clicks of e-mails, on the whole collector.

let collector: Awaited<ReturnType<typeof runCollector>>;
let secretKey: string;
let linkSecret: Buffer;

beforeAll(async () => {
  collector = await runCollector({ roles: 'ingest,write,derive,api' });
  const { pool, siteId } = collector;
  ({ key: secretKey } = await createKey(pool, { siteId, kind: 'secret', scopes: allScopes }));
  const { rows } = await pool.query<{ link_secret: Buffer }>(
    'select link_secret from store.sites where site_id = $1',
    [siteId],
  );
  linkSecret = rows[0]!.link_secret;
});
afterAll(() => collector.end());

async function ask(
  body: unknown,
  key = secretKey,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${collector.url}/v1/links`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function make(wish: object): Promise<MadeLink> {
  const { status, body } = await ask(wish);
  expect(status).toBe(200);
  return body as MadeLink;
}

const thunderbird = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0';

const get = (url: string, init: RequestInit = {}) => fetch(url, { redirect: 'manual', ...init });

const touchpointsOf = async (userId: string) =>
  (
    await collector.pool.query<Record<string, unknown>>(
      `select name, source, ingested_by, is_trusted, user_id, anonymous_id, identities, properties, context, bot_reason
       from store.touchpoints where site_id = $1 and user_id = $2 order by occurred_at`,
      [collector.siteId, userId],
    )
  ).rows;

/** Waits until everything acked is stored, by something that is stored after it. */
async function settled(): Promise<void> {
  const { token } = await make({ user_id: 'last' });
  const before = (await touchpointsOf('last')).length;
  await get(`${collector.url}/v1/pixel.gif?t=${token}`);
  await expect.poll(async () => (await touchpointsOf('last')).length, { timeout: 15_000 }).toBe(before + 1);
}

const rejectedFor = async (reason: string) =>
  (
    await collector.pool.query<{ ingested_by: string; detail: string; event: string }>(
      'select ingested_by, detail, event from journey.rejected_events where site_id = $1 and reason = $2',
      [collector.siteId, reason],
    )
  ).rows;

const metric = async (line: string) => {
  const text = await (await fetch(`${collector.url}/metrics`)).text();
  return Number(new RegExp(`^${line.replaceAll(/[{}]/g, '\\$&')} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
};

describe('a pixel', () => {
  test('counts as an open, which is never a signal', async () => {
    const link = await make({
      user_id: 'opener',
      campaign: { source: 'newsletter', name: 'spring' },
      properties: { message_id: 'm1' },
    });
    expect(link.click_url).toBe(null);
    const answer = await get(link.pixel_url, { headers: { 'user-agent': thunderbird } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('image/gif');
    expect(answer.headers.get('cache-control')).toBe('private, no-store');
    expect(Buffer.from(await answer.arrayBuffer()).toString('latin1', 0, 6)).toBe('GIF89a');
    await settled();
    expect(await touchpointsOf('opener')).toEqual([
      {
        name: 'email_opened',
        source: 'email',
        ingested_by: 'pixel',
        is_trusted: true,
        user_id: 'opener',
        anonymous_id: null,
        identities: null,
        properties: { message_id: 'm1' },
        context: { campaign: { source: 'newsletter', name: 'spring' }, userAgent: thunderbird },
        bot_reason: null,
      },
    ]);
    await expect
      .poll(
        async () =>
          (
            await collector.pool.query(
              `select persons.user_id, current_stages.stage from journey.persons
               left join journey.current_stages using (site_id, person_id)
               where persons.site_id = $1 and persons.user_id = 'opener'`,
              [collector.siteId],
            )
          ).rows,
        { timeout: 15_000 },
      )
      .toEqual([{ user_id: 'opener', stage: null }]);
  });

  test.each([
    {
      what: 'a changed token',
      token: async () => `${(await make({ user_id: 'forged' })).token.slice(0, -3)}AAA`,
    },
    { what: 'no token', token: async () => '' },
    {
      what: 'another site’s signature',
      token: async () => tokenOf({ ...expired('forged'), expiresAt: 9e12 }, Buffer.alloc(32)),
    },
  ])('$what: the image all the same, counted as bad_token', async ({ token }) => {
    const counted = await metric('milepost_events_rejected_total{reason="bad_token"}');
    const answer = await get(`${collector.url}/v1/pixel.gif?t=${await token()}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('image/gif');
    expect(await metric('milepost_events_rejected_total{reason="bad_token"}')).toBe(counted + 1);
    await settled();
    expect(await touchpointsOf('forged')).toEqual([]);
  });

  test('fetched by a mail provider for who opens the message is no bot’s', async () => {
    const { pixel_url } = await make({ user_id: 'by-proxy' });
    const proxy = 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)';
    await get(pixel_url, { headers: { 'user-agent': proxy } });
    await settled();
    expect(await touchpointsOf('by-proxy')).toMatchObject([{ name: 'email_opened', bot_reason: null }]);
  });

  test('on a page without scripts counts as a view of that page, in a session of its visitor', async () => {
    const page = 'https://shop.example/amp/boots?utm_source=n&utm_medium=email';
    const { pixel_url } = await make({ user_id: 'viewer', anonymous_id: 'viewer-browser', page });
    await get(pixel_url, { headers: { 'user-agent': thunderbird } });
    await settled();
    expect(await touchpointsOf('viewer')).toMatchObject([
      {
        name: 'page_view',
        source: 'web',
        ingested_by: 'pixel',
        context: { page: { url: page, path: '/amp/boots' } },
      },
    ]);
    const sessions = async () =>
      (
        await collector.pool.query(
          `select entry_page, page_view_count, sessions.source from journey.sessions
           join journey.persons using (site_id, person_id)
           where sessions.site_id = $1 and user_id = 'viewer'`,
          [collector.siteId],
        )
      ).rows;
    await expect
      .poll(sessions, { timeout: 15_000 })
      .toEqual([{ entry_page: '/amp/boots', page_view_count: 1, source: 'n' }]);
  });

  test('one that has expired: the image all the same, kept as a reject', async () => {
    const answer = await get(
      `${collector.url}/v1/pixel.gif?t=${tokenOf(expired('late-opener'), linkSecret)}`,
    );
    expect(answer.headers.get('content-type')).toBe('image/gif');
    await settled();
    expect(await touchpointsOf('late-opener')).toEqual([]);
    expect(await rejectedFor('expired_token')).toContainEqual({
      ingested_by: 'pixel',
      detail: expect.stringMatching(/^expired at 2026-01-01T/) as string,
      event: expect.stringContaining('late-opener') as string,
    });
  });
});

const expired = (userId: string): Link => ({
  siteId: collector.siteId,
  expiresAt: Date.parse('2026-01-01T00:00:00Z'),
  target: 'https://shop.example/',
  page: null,
  anonymousId: null,
  userId,
  identities: null,
  campaign: null,
  consent: null,
  properties: null,
});

describe('a click', () => {
  test('counts, and leads to the signed target with its campaign', async () => {
    const link = await make({
      target: 'https://shop.example/boots?size=42',
      user_id: 'clicker',
      identities: { email: ' Clicker@Shop.example', loyalty_card: '7' },
      campaign: { source: 'newsletter', medium: 'email', name: 'spring' },
    });
    const target =
      'https://shop.example/boots?size=42&utm_source=newsletter&utm_medium=email&utm_campaign=spring';
    expect(link.target).toBe(target);
    expect(Buffer.from(link.token.split('.')[1]!, 'base64url').toString()).not.toMatch(/clicker@/i);
    const answer = await get(link.click_url!);
    expect(answer.status).toBe(302);
    expect(answer.headers.get('location')).toBe(target);
    expect(answer.headers.get('cache-control')).toBe('private, no-store');
    await settled();
    expect(await touchpointsOf('clicker')).toMatchObject([
      {
        name: 'email_clicked',
        source: 'email',
        ingested_by: 'click',
        is_trusted: true,
        identities: { loyalty_card: ['7'], email_sha256: [expect.stringMatching(/^[\da-f]{64}$/)] },
        properties: { link_url: target },
        context: { campaign: { source: 'newsletter', medium: 'email', name: 'spring' } },
      },
    ]);
  });

  test('gives the visit it leads to its source', async () => {
    const link = await make({
      target: 'https://shop.example/',
      user_id: 'visitor-by-mail',
      campaign: { source: 'newsletter', medium: 'email', name: 'spring' },
    });
    const url = (await get(link.click_url!)).headers.get('location')!;
    const sent = await fetch(`${collector.url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${collector.writeKey}` },
      body: JSON.stringify({
        batch: [
          {
            id: 'landing',
            type: 'page',
            anonymous_id: 'mail-browser',
            occurred_at: Date.now(),
            context: { page: { url } },
          },
        ],
      }),
    });
    expect(sent.status).toBe(200);
    const sessions = async () =>
      (
        await collector.pool.query(
          `select sessions.source, sessions.medium, sessions.campaign, sessions.channel
           from journey.sessions join journey.touchpoints using (site_id, session_id)
           where touchpoints.site_id = $1 and touchpoints.ingested_by = 'events'`,
          [collector.siteId],
        )
      ).rows;
    await expect
      .poll(sessions, { timeout: 15_000 })
      .toEqual([{ source: 'newsletter', medium: 'email', campaign: 'spring', channel: 'Email' }]);
  });

  test('each counts; HEAD does not, and leads to the same place', async () => {
    const link = await make({ target: 'https://shop.example/', user_id: 'twice' });
    for (const method of ['HEAD', 'GET', 'HEAD', 'GET']) {
      const answer = await get(link.click_url!, { method });
      expect(answer.status).toBe(302);
      expect(answer.headers.get('location')).toBe('https://shop.example/');
    }
    expect((await get(link.pixel_url, { method: 'HEAD' })).headers.get('content-type')).toBe('image/gif');
    await settled();
    expect(await touchpointsOf('twice')).toHaveLength(2);
  });

  test('nothing else in the address counts: neither an identity nor a target', async () => {
    const link = await make({ target: 'https://shop.example/', user_id: 'signed' });
    const more =
      '&user_id=evil&u=evil&anonymous_id=evil&target=https://evil.example/&to=https://evil.example/';
    const answer = await get(`${link.click_url}${more}`);
    expect(answer.headers.get('location')).toBe('https://shop.example/');
    await settled();
    expect(await touchpointsOf('signed')).toHaveLength(1);
    expect(await touchpointsOf('evil')).toEqual([]);
  });

  test('by a crawler is stored as a bot’s', async () => {
    const link = await make({ target: 'https://shop.example/', user_id: 'crawled' });
    await get(link.click_url!, { headers: { 'user-agent': 'Mozilla/5.0 (compatible; Googlebot/2.1)' } });
    await settled();
    expect(await touchpointsOf('crawled')).toMatchObject([{ bot_reason: 'user_agent' }]);
  });

  test.each([
    {
      what: 'a changed one',
      url: async () => `${(await make({ user_id: 'x', target: 'https://a.example' })).click_url}A`,
      status: 400,
      type: 'invalid-link',
    },
    { what: 'none', url: async () => `${collector.url}/v1/click`, status: 400, type: 'invalid-link' },
    { what: 'two', url: async () => `${collector.url}/v1/click?t=a&t=b`, status: 400, type: 'invalid-link' },
    {
      what: 'one without a target',
      url: async () => `${collector.url}/v1/click?t=${(await make({ user_id: 'x' })).token}`,
      status: 400,
      type: 'invalid-link',
    },
    {
      what: 'one that has expired',
      url: async () => `${collector.url}/v1/click?t=${tokenOf(expired('late-clicker'), linkSecret)}`,
      status: 410,
      type: 'expired-link',
    },
  ])('a token that is void ($what) leads nowhere, and says why', async ({ url, status, type }) => {
    const address = await url();
    const program = await get(address);
    expect(program.status).toBe(status);
    expect(program.headers.get('location')).toBe(null);
    expect(await program.json()).toMatchObject({ type: `/problems/${type}` });
    const person = await get(address, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
    expect(person.status).toBe(status);
    expect(person.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(person.headers.get('content-security-policy')).toMatch("default-src 'none'");
    expect(await person.text()).toMatch(/<h1>This link (does not work|has expired)<\/h1>/);
  });
});

test('where consent is required, an open counts only for who gave it; a click leads on for all', async () => {
  const strict = await createSite(collector.pool, { consent_required: true });
  for (const [userId, consent] of [
    ['strict-yes', { analytics: true }],
    ['strict-no', undefined],
  ] as const) {
    const { body } = await ask(
      { target: 'https://shop.example/', user_id: userId, consent },
      strict.secretKey,
    );
    expect((await get(body['click_url'] as string)).status).toBe(302);
  }
  const stored = async () =>
    (
      await collector.pool.query<{ user_id: string }>(
        'select user_id from store.touchpoints where site_id = $1',
        [strict.siteId],
      )
    ).rows;
  await expect.poll(stored, { timeout: 15_000 }).toEqual([{ user_id: 'strict-yes' }]);
});

describe('making links', () => {
  test('many at a time, in order', async () => {
    const links = Array.from({ length: 1_000 }, (_, index) => ({ user_id: index + 1 }));
    const { status, body } = await ask({ links });
    expect(status).toBe(200);
    const made = body['links'] as MadeLink[];
    expect(made).toHaveLength(1_000);
    expect(new Set(made.map(({ token }) => token)).size).toBe(1_000);
    expect(made[0]).toMatchObject({
      pixel_url: `${collector.url}/v1/pixel.gif?t=${made[0]!.token}`,
      click_url: null,
      target: null,
    });
  });

  test('a link expires when it is told to, else in 400 days', async () => {
    const at = new Date(Date.now() + 3_600_000).toISOString();
    expect((await make({ user_id: 'x', expires_at: at })).expires_at).toBe(at);
    const days = (Date.parse((await make({ user_id: 'x' })).expires_at) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(400);
  });

  test.each([
    { wish: {}, detail: /names nobody/ },
    { wish: { user_id: 'null' }, detail: /names nobody/ },
    { wish: { target: 'https://a.example' }, detail: /names nobody/ },
    { wish: { user_id: 'x', target: 'javascript:alert(1)' }, detail: /^Nothing was made\. target: must be/ },
    { wish: { user_id: 'x', target: '/relative' }, detail: /target: must be/ },
    { wish: { user_id: 'x', target: '//a.example' }, detail: /target: must be/ },
    { wish: { user_id: 'x', target: 'https://shop.example@evil.example/' }, detail: /target: must not/ },
    { wish: { user_id: 'x', targett: 'https://a.example' }, detail: /has a field that links do not have/ },
    { wish: { user_id: 'x', expires_at: '2020-01-01T00:00:00Z' }, detail: /expires_at: has passed/ },
    { wish: { user_id: 'x', properties: { text: 'x'.repeat(6_000) } }, detail: /too long/ },
    { wish: { links: [] }, detail: /links/ },
    { wish: { links: [{ user_id: 'x' }, {}] }, detail: /link number 2: names nobody/ },
    { wish: { links: Array.from({ length: 1_001 }, () => ({ user_id: 'x' })) }, detail: /links/ },
    { wish: [], detail: /./ },
  ])('$detail', async ({ wish, detail }) => {
    const { status, body } = await ask(wish);
    expect(body).toMatchObject({ type: '/problems/invalid-links', detail: expect.stringMatching(detail) });
    expect(status).toBe(400);
  });

  test('takes a secret key that may', async () => {
    const { pool, siteId } = collector;
    const other = await createKey(pool, { siteId, kind: 'secret', scopes: ['read:stages'] });
    expect((await ask({ user_id: 'x' }, other.key)).status).toBe(403);
    expect((await ask({ user_id: 'x' }, collector.writeKey)).status).toBe(403);
    expect((await ask({ user_id: 'x' }, 'sk_none')).status).toBe(401);
  });

  test('is JSON, or nothing', async () => {
    expect((await ask('{')).body).toMatchObject({ type: '/problems/malformed-json' });
  });
});
