/** SEMANTICS 3: what joins persons beside a browser's users, and what does not. */
import { describe, expect, test } from 'vitest';
import { useSite } from './fixture.ts';

const { given, rowsOf } = useSite();

const at = (minute: number): string => `2026-01-05T10:${String(minute).padStart(2, '0')}Z`;

/** The persons' user ids, or null, in alphabetical order. */
async function users(): Promise<unknown[]> {
  return (await rowsOf('persons'))
    .map(({ user_id }) => user_id)
    .toSorted((one, other) => (String(one) < String(other) ? -1 : 1));
}

async function personOf(value: string): Promise<unknown> {
  const rows = (await rowsOf('identities')).filter((row) => row['value'] === value);
  return rows.at(-1)?.['person_id'];
}

async function linkStates(): Promise<unknown[]> {
  const rows = await rowsOf('identity_links');
  return rows
    .map(({ value, other_value, cause, state, reason }) =>
      [value, other_value, cause, state, reason].join(' '),
    )
    .toSorted();
}

describe('typed identities', () => {
  const till = { source: 'store', is_trusted: true, identities: { loyalty_card: 'L1' } } as const;

  test('join the person they were seen with by secret key', async () => {
    await given.touchpoints([
      { at: at(0), user_id: 'u1', is_trusted: true, source: 'server', identities: { loyalty_card: 'L1' } },
      { at: at(1), ...till, name: 'purchase', properties: { transaction_id: 'o1', value: 20 } },
    ]);
    expect(await users()).toEqual(['u1']);
    expect(await rowsOf('orders')).toMatchObject([{ order_id: 'o1', person_id: await personOf('u1') }]);
  });

  test('by write key are claims that join nobody', async () => {
    await given.touchpoints([
      {
        at: at(0),
        user_id: 'victim',
        is_trusted: true,
        source: 'server',
        identities: { loyalty_card: 'L1' },
      },
      { at: at(1), anonymous_id: 'attacker', identities: { loyalty_card: 'L1' } },
      { at: at(2), anonymous_id: 'attacker' },
    ]);
    expect(await users()).toEqual([null, 'victim']);
    expect(await personOf('attacker')).not.toBe(await personOf('victim'));
  });

  test('belong to the first user that is seen with them later, with all their past', async () => {
    await given.touchpoints([{ at: at(0), ...till, name: 'store_visit' }]);
    expect(await users()).toEqual([null]);
    const before = await personOf('L1');
    await given.touchpoints([
      { at: at(5), user_id: 'u1', is_trusted: true, source: 'server', identities: { loyalty_card: 'L1' } },
    ]);
    expect(await users()).toEqual(['u1']);
    expect((await rowsOf('identities')).find(({ value }) => value === 'L1')).toMatchObject({
      former_person_id: before,
    });
  });
});

describe('persons without a user id that share an identity', () => {
  const mail = { identities: { email_sha256: 'aa'.repeat(32) }, is_trusted: true } as const;

  test('are one person, anchored at the identity seen first', async () => {
    await given.touchpoints([
      { at: at(0), anonymous_id: 'phone' },
      { at: at(1), anonymous_id: 'laptop' },
    ]);
    const phone = await personOf('phone');
    expect(await rowsOf('persons')).toHaveLength(2);
    await given.touchpoints([
      { at: at(2), anonymous_id: 'phone', ...mail },
      { at: at(3), anonymous_id: 'laptop', ...mail },
    ]);
    expect(await rowsOf('persons')).toHaveLength(1);
    expect(await personOf('laptop')).toBe(phone);
  });

  test('follow the user first seen with any of them', async () => {
    await given.touchpoints([
      { at: at(0), anonymous_id: 'phone', ...mail },
      { at: at(1), anonymous_id: 'laptop', ...mail },
      { at: at(2), anonymous_id: 'phone', user_id: 'u1' },
    ]);
    expect(await users()).toEqual(['u1']);
    expect(await personOf('laptop')).toBe(await personOf('u1'));
  });

  test('and each user of a shared identity stays apart', async () => {
    await given.touchpoints([
      { at: at(0), anonymous_id: 'phone', user_id: 'u1', ...mail },
      { at: at(1), anonymous_id: 'laptop', user_id: 'u2', ...mail },
    ]);
    expect(await users()).toEqual(['u1', 'u2']);
  });
});

describe('alias', () => {
  const alias = { type: 'alias', is_trusted: true, source: 'server' } as const;

  test('makes two user ids one person, as if from the start', async () => {
    await given.touchpoints([
      {
        at: at(0),
        anonymous_id: 'phone',
        user_id: 'old',
        name: 'add_to_cart',
        properties: { items: [{ item_id: 'a' }] },
      },
      { at: at(1), user_id: 'new', name: 'login' },
      { at: at(2), ...alias, previous_id: 'old', user_id: 'new' },
    ]);
    expect(await users()).toEqual(['new']);
    expect(await personOf('old')).toBe(await personOf('new'));
    expect(await rowsOf('carts')).toMatchObject([{ person_id: await personOf('new') }]);
  });

  test('by write key joins no two user ids', async () => {
    await given.touchpoints([
      { at: at(0), user_id: 'victim', name: 'login' },
      { at: at(1), user_id: 'attacker', name: 'login' },
      { at: at(2), type: 'alias', previous_id: 'victim', user_id: 'attacker' },
    ]);
    expect(await users()).toEqual(['attacker', 'victim']);
  });

  test('that closes a circle changes nothing', async () => {
    await given.touchpoints([
      { at: at(0), ...alias, previous_id: 'a', user_id: 'b' },
      { at: at(1), ...alias, previous_id: 'b', user_id: 'a' },
      { at: at(2), user_id: 'a', name: 'login' },
    ]);
    expect(await users()).toEqual(['b']);
  });
});

describe('limits', () => {
  test('five identities of a type a person: the link over it is kept as refused', async () => {
    await given.touchpoints(
      Array.from({ length: 6 }, (_, index) => ({ at: at(index), anonymous_id: `b${index}`, user_id: 'u1' })),
    );
    expect(await linkStates()).toEqual([
      ...Array.from({ length: 5 }, (_, index) => `b${index} u1 joined accepted `),
      'b5 u1 joined refused limit',
    ]);
    // what carries the user id is the user's, what does not is not
    await given.touchpoints([
      { at: at(10), anonymous_id: 'b5' },
      { at: at(11), anonymous_id: 'b4' },
    ]);
    expect(await users()).toEqual([null, 'u1']);
  });

  test('are applied in the order of time, whenever it arrives', async () => {
    await given.settings({ identity_limits: { anonymous_id: 1 } });
    await given.touchpoints([{ at: at(5), anonymous_id: 'later', user_id: 'u1' }]);
    await given.touchpoints([{ at: at(1), anonymous_id: 'earlier', user_id: 'u1' }]);
    expect(await linkStates()).toEqual(['earlier u1 joined accepted ', 'later u1 joined refused limit']);
  });
});

test('a user who was told of a browser has what it did before another came, also where that arrives late', async () => {
  await given.touchpoints([{ at: at(5), anonymous_id: 'kiosk', user_id: 'u2', name: 'login' }]);
  await given.touchpoints([
    { at: at(1), type: 'alias', is_trusted: true, source: 'server', previous_id: 'kiosk', user_id: 'u1' },
  ]);
  await given.touchpoints([{ at: at(0), anonymous_id: 'kiosk' }]);
  expect(await users()).toEqual(['u1', 'u2']);
  expect((await rowsOf('sessions')).map(({ person_id }) => person_id)).toContain(await personOf('u1'));
});
