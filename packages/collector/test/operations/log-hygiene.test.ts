import { newId } from '@milepost/shared';
import { expect, onTestFinished, test } from 'vitest';
import { fuzz } from '../ingest/fuzz.ts';
import { expectExactlyOnce, serve, temporaryFolder } from '../ingest/served.ts';
import { createDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';

const personal = {
  email: 'ada.lovelace@example.org',
  userId: 'customer-4711',
  visitor: 'visitor-cookie-31337',
  address: '198.51.100.77',
  forwarded: '203.0.113.9',
  cookie: 'session-cookie-8765',
  name: 'Augusta Ada King',
  token: 'query-token-2468',
};

test('no line of the log, at its most talkative, holds a key, an address, a cookie, a query, or anything of a person', async () => {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const { siteId, writeKey, secretKey } = await createSite(database.pool);
  const lines: string[] = [];
  const collector = await serve(database.url, temporaryFolder(), {
    LOG_LEVEL: 'trace',
    RATE_LIMIT: '0',
    TRUST_PROXY: 'true',
  });
  collector.onLine = (line) => lines.push(line);
  const ask = async (path: string, { body, key = writeKey }: { body?: string; key?: string }) => {
    const answer = await fetch(`${collector.url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        cookie: `sid=${personal.cookie}`,
        'x-forwarded-for': `${personal.forwarded}, ${personal.address}`,
        'user-agent': personal.name,
      },
      ...(body !== undefined && { body }),
    });
    await answer.text();
    return answer.status;
  };
  const event = (more: object = {}) => ({
    id: newId(),
    name: 'sign_up',
    anonymous_id: personal.visitor,
    user_id: personal.userId,
    occurred_at: Date.now(),
    properties: { mail: personal.email, who: personal.name },
    ...more,
  });
  // PostgreSQL refuses one of these, and says so with the row.
  await database.pool.query(
    `alter table store.touchpoints add constraint no_poison check (name <> 'poison') not valid`,
  );
  const id = newId();
  const batch = [event({ id }), event({ name: 'poison' }), event({ user_id: 7 }), personal.email];
  expect(await ask(`/v1/events?t=${personal.token}`, { body: JSON.stringify({ batch }) })).toBe(200);
  expect(await ask(`/v1/events?t=${personal.token}`, { body: `{"batch":["${personal.email}` })).toBe(400);
  expect(await ask('/v1/events', { key: `${writeKey}x`, body: '{"batch":[]}' })).toBe(401);
  await ask(`/v1/identify?t=${personal.token}`, {
    body: JSON.stringify({ userId: personal.userId, traits: { email: personal.email } }),
  });
  await ask(`/v1/persons?user_id=${personal.userId}`, { key: secretKey });
  await ask(`/v1/persons/${personal.email}?cursor=${personal.token}`, { key: secretKey });
  await ask(`/v1/me?anonymous_id=${personal.visitor}`, {});
  const { failed } = await fuzz({ url: collector.url, writeKey, secretKey, requests: 300, seed: 7 });
  expect(failed).toEqual([]);
  expect(await collector.end('SIGTERM')).toBe(0);
  await expectExactlyOnce(database.pool, siteId, new Set([id]));

  const log = lines.join('\n');
  expect(log).toContain('PostgreSQL refuses a touchpoint');
  expect(log).toContain('malformed-json');
  const secrets = [...Object.values(personal), writeKey, secretKey];
  expect(secrets.filter((secret) => log.includes(secret))).toEqual([]);
  expect(lines.filter((line) => /[ws]k_|[\w.]+@[a-z]+\.|[?&]\w+=|drop table|<script/i.test(line))).toEqual(
    [],
  );
}, 60_000);
