/** Accounts (SEMANTICS 11): every case is compared with the reference model too. */
import { describe, expect, test } from 'vitest';
import { applyModel } from '../../src/models/apply.ts';
import { readModel } from '../../src/models/shipped.ts';
import { database, useSite } from './fixture.ts';
import { type Given, storeGiven } from './given.ts';
import { expectVerified } from './views.ts';

const { given, rowsOf, siteId } = useSite();

const at = (time: string): string => `2026-03-02T${time}Z`;
const group = (time: string, user_id: string, traits: Given['traits'] = {}, account_id = 'acme'): Given => ({
  at: at(time),
  type: 'group',
  user_id,
  account_id,
  traits,
});
const event = (time: string, user_id: string, name: string, more: Partial<Given> = {}): Given => ({
  at: at(time),
  name,
  user_id,
  source: 'server',
  ...more,
});
const account = async (id = 'acme') => (await rowsOf('accounts')).find(({ account_id }) => account_id === id);
const members = async (id = 'acme') =>
  (await rowsOf('account_members'))
    .filter(({ account_id }) => account_id === id)
    .map(({ user_id, role, stage, valid_from, valid_to }) => ({
      user_id,
      role,
      stage,
      from: valid_from,
      to: valid_to,
    }))
    .sort((a, b) =>
      `${String(a.user_id)} ${String(a.from)}` < `${String(b.user_id)} ${String(b.from)}` ? -1 : 1,
    );

describe('membership has from and to dates; a person may belong to several', () => {
  test('a group call makes its person a member, in the role it tells', async () => {
    await given.touchpoints([group('09:00:00', 'ada', { role: 'admin' }), group('10:00:00', 'ada')]);
    expect(await members()).toEqual([
      { user_id: 'ada', role: 'admin', stage: null, from: '2026-03-02T09:00:00.000Z', to: null },
    ]);
    expect(await account()).toMatchObject({ member_count: 1, stage: null });
  });

  test.each<{ what: string; call: Given }>([
    { what: 'a group call that says left', call: group('10:00:00', 'ada', { left: true }) },
    { what: 'a group call that says is_member: false', call: group('10:00:00', 'ada', { is_member: false }) },
    {
      what: 'Segment’s Account Removed User',
      call: event('10:00:00', 'ada', 'Account Removed User', { context: { groupId: 'acme' } }),
    },
  ])('$what ends it', async ({ call }) => {
    await given.touchpoints([group('09:00:00', 'ada'), call]);
    expect(await members()).toMatchObject([{ user_id: 'ada', to: '2026-03-02T10:00:00.000Z' }]);
    expect(await account()).toMatchObject({ member_count: 0, stage: null });
  });

  test('who comes back is a member anew, from then on', async () => {
    await given.touchpoints([group('09:00:00', 'ada'), group('10:00:00', 'ada', { left: true })]);
    await given.touchpoints([event('11:00:00', 'ada', 'Account Added User', { account_id: 'acme' })]);
    expect(await members()).toMatchObject([
      { from: '2026-03-02T09:00:00.000Z', to: '2026-03-02T10:00:00.000Z' },
      { from: '2026-03-02T11:00:00.000Z', to: null },
    ]);
  });

  test('another role changes no date; null is none', async () => {
    await given.touchpoints([group('09:00:00', 'ada', { role: 'admin' })]);
    await given.touchpoints([group('10:00:00', 'ada', { role: 'buyer' })]);
    expect(await members()).toMatchObject([{ role: 'buyer', from: '2026-03-02T09:00:00.000Z', to: null }]);
    await given.touchpoints([group('11:00:00', 'ada', { role: null })]);
    expect(await members()).toMatchObject([{ role: null, from: '2026-03-02T09:00:00.000Z', to: null }]);
  });

  test('in several accounts at once', async () => {
    await given.touchpoints([group('09:00:00', 'ada'), group('09:01:00', 'ada', {}, 'globex')]);
    await given.touchpoints([event('09:02:00', 'ada', 'trial_started')]);
    expect(await account('acme')).toMatchObject({ member_count: 1, stage: 'decision' });
    expect(await account('globex')).toMatchObject({ member_count: 1, stage: 'decision' });
  });

  test('in at most a hundred at once', async () => {
    await given.touchpoints(
      Array.from({ length: 103 }, (_, index) => group('09:00:00', 'ada', {}, `account ${index}`)),
    );
    expect(await rowsOf('account_members')).toHaveLength(100);
    expect(await rowsOf('accounts')).toHaveLength(103);
  });

  test('other touchpoints that name an account are activity of it, and make nobody a member', async () => {
    await given.touchpoints([
      event('09:00:00', 'ada', 'login', { account_id: 'acme' }),
      event('11:00:00', 'ada', 'login', { context: { groupId: 'acme' } }),
    ]);
    expect(await members()).toEqual([]);
    expect(await account()).toMatchObject({
      member_count: 0,
      first_seen_at: '2026-03-02T09:00:00.000Z',
      last_seen_at: '2026-03-02T11:00:00.000Z',
    });
  });

  test('worthless ids name no account', async () => {
    await given.touchpoints([group('09:00:00', 'ada', {}, 'undefined'), group('09:00:00', 'ada', {}, '0')]);
    expect(await rowsOf('accounts')).toEqual([]);
  });
});

describe('the account’s stage is the furthest one that a member now holds', () => {
  test('furthest in the order of the model, of present members, as they stand now', async () => {
    await given.touchpoints([
      group('09:00:00', 'ada'),
      group('09:00:00', 'bob'),
      group('09:00:00', 'cy'),
      event('09:10:00', 'ada', 'view_item'),
      event('09:10:00', 'bob', 'add_to_cart'),
      event('09:10:00', 'cy', 'page_view'),
    ]);
    expect(await account()).toMatchObject({
      stage: 'decision',
      member_count: 3,
      members_by_stage: { awareness: 1, consideration: 1, decision: 1 },
    });
    await given.touchpoints([group('09:20:00', 'bob', { left: true })]);
    expect(await account()).toMatchObject({ stage: 'consideration', member_count: 2 });
    // a decision that has cooled is no stage held now
    await given.touchpoints([event('09:30:00', 'cy', 'add_to_cart')]);
    expect(await account()).toMatchObject({ stage: 'decision' });
    await given.asOf('2026-04-02T12:00Z');
    expect(await account()).toMatchObject({ stage: 'consideration', members_by_stage: { consideration: 2 } });
  });

  test('another model orders and names the stages otherwise', async () => {
    await given.touchpoints([
      group('09:00:00', 'ada'),
      event('09:10:00', 'ada', 'purchase', { properties: { value: 1 } }),
      event('09:20:00', 'ada', 'login'),
      group('09:00:00', 'bob'),
      event('09:10:00', 'bob', 'add_to_cart'),
    ]);
    expect(await account()).toMatchObject({ stage: 'retention' });
    await applyModel(database.pool, { siteId: siteId(), model: await readModel('loyalty') });
    await given.asOf(at('09:30:00'));
    expect(await account()).toMatchObject({
      stage: 'post_purchase',
      members_by_stage: { post_purchase: 1, decision: 1 },
    });
    const shipped = await readModel('loyalty');
    await applyModel(database.pool, {
      siteId: siteId(),
      model: { ...shipped, stages: shipped.stages.toReversed() },
    });
    await given.asOf(at('09:40:00'));
    expect(await account()).toMatchObject({ stage: 'decision' });
    await expectVerified(database.pool);
  });

  test('orders and revenue are those of the present members', async () => {
    const purchase = (time: string, user: string, value: number) =>
      event(time, user, 'purchase', { properties: { value, currency: 'EUR' } });
    await given.touchpoints([
      purchase('08:00:00', 'ada', 100),
      group('09:00:00', 'ada'),
      group('09:00:00', 'bob'),
      purchase('09:10:00', 'bob', 20.5),
    ]);
    expect(await account()).toMatchObject({ order_count: 2, net_revenue: 120.5, stage: 'purchase' });
    await given.touchpoints([group('10:00:00', 'ada', { left: true })]);
    expect(await account()).toMatchObject({ order_count: 1, net_revenue: 20.5 });
  });
});

describe('what is told of an account', () => {
  test('per key the latest value; null deletes; the role is the member’s', async () => {
    await given.touchpoints([
      group('10:00:00', 'bob', { plan: 'pro', seats: null }),
      group('09:00:00', 'ada', {
        plan: 'free',
        seats: 3,
        name: 'Acme',
        role: 'admin',
        email: 'a@acme.example',
      }),
    ]);
    expect((await account())!['traits']).toEqual({ plan: 'pro', name: 'Acme' });
    expect((await rowsOf('persons')).map(({ traits }) => traits)).toEqual([{}, {}]);
  });

  test('of more than 500 keys those told last', async () => {
    const many = (time: string, from: number): Given =>
      group(
        time,
        'ada',
        Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`key ${from + index}`, from])),
      );
    await given.touchpoints([many('09:00:00', 0), many('11:00:00', 1_000)]);
    await given.touchpoints([many('10:00:00', 250)]);
    expect(Object.keys((await account())!['traits'] as object)).toHaveLength(500);
    await expectVerified(database.pool);
  });

  test('a write key, which anybody may use, does not rewrite what a secret key told', async () => {
    await given.touchpoints([
      { ...group('09:00:00', 'ada', { plan: 'pro' }), is_trusted: true },
      group('10:00:00', 'mallory', { plan: 'free', motto: 'hi' }),
    ]);
    expect((await account())!['traits']).toEqual({ plan: 'pro', motto: 'hi' });
  });
});

describe('memberships follow the person', () => {
  test('two members who turn out to be one are one member', async () => {
    await given.touchpoints([
      {
        at: at('09:00:00'),
        type: 'group',
        anonymous_id: 'browser',
        account_id: 'acme',
        traits: { role: 'buyer' },
      },
      { at: at('09:05:00'), name: 'add_to_cart', anonymous_id: 'browser' },
      group('09:10:00', 'ada', { role: 'admin' }),
    ]);
    expect(await account()).toMatchObject({ member_count: 2, stage: 'decision' });
    await given.touchpoints([
      { at: at('09:20:00'), type: 'identify', anonymous_id: 'browser', user_id: 'ada' },
    ]);
    expect(await account()).toMatchObject({ member_count: 1, stage: 'decision' });
    expect(await members()).toEqual([
      { user_id: 'ada', role: 'admin', stage: 'decision', from: '2026-03-02T09:00:00.000Z', to: null },
    ]);
  });

  test('the second user of a browser is no member for what the first called', async () => {
    const call: Given = { at: at('09:10:00'), type: 'group', anonymous_id: 'kiosk', account_id: 'acme' };
    await given.touchpoints([{ at: at('09:00:00'), anonymous_id: 'kiosk', user_id: 'ada' }, call]);
    await given.touchpoints([{ at: at('09:05:00'), anonymous_id: 'kiosk', user_id: 'bob' }]);
    expect(await members()).toMatchObject([{ user_id: 'bob', from: '2026-03-02T09:10:00.000Z' }]);
  });

  test('a late call re-derives the membership from its instant on', async () => {
    await given.touchpoints([
      group('09:00:00', 'ada', { role: 'admin' }),
      group('12:00:00', 'ada', { role: 'buyer' }),
    ]);
    await given.touchpoints([group('10:00:00', 'ada', { left: true })]);
    expect(await members()).toMatchObject([
      { role: 'admin', from: '2026-03-02T09:00:00.000Z', to: '2026-03-02T10:00:00.000Z' },
      { role: 'buyer', from: '2026-03-02T12:00:00.000Z', to: null },
    ]);
    await expectVerified(database.pool);
  });
});

test('of an account of 10,000 members a touchpoint changes its person’s row and the account’s, no more', async () => {
  const asOf = Date.parse(at('10:01:00'));
  const site = { siteId: siteId() };
  const calls = Array.from({ length: 10_000 }, (_, index) => group('09:00:00', `user ${index}`));
  await storeGiven(database.pool, site, calls);
  await database.derive(asOf);
  const rowsWritten = async (): Promise<string[]> => {
    const { rows } = await database.pool.query<{ place: string }>(
      `select xmin || ' member' as place from store.account_members where site_id = $1
       union all select xmin || ' account' from store.accounts where site_id = $1`,
      [site.siteId],
    );
    return rows.map(({ place }) => place);
  };
  const before = new Set(await rowsWritten());
  await storeGiven(database.pool, site, [
    event('10:00:00', 'user 77', 'add_to_cart', { account_id: 'acme' }),
  ]);
  await database.derive(asOf);
  expect(await account()).toMatchObject({
    stage: 'decision',
    member_count: 10_000,
    members_by_stage: { decision: 1 },
  });
  expect((await rowsWritten()).filter((place) => !before.has(place))).toHaveLength(2);
}, 60_000);
