import { expect, test } from 'vitest';
import { bodyOf } from './batch.ts';

const head = { writeKey: 'wk', sentAt: '2026-11-22T10:00:00.000Z' };
const bodyFor = (contexts: Record<string, unknown>[]) =>
  JSON.parse(
    bodyOf(
      contexts.map((context, id) => ({ id, context })),
      head,
    ),
  );

test('what all touchpoints say alike is said once, what differs stays with each', () => {
  const page = { path: '/a' };
  expect(
    bodyFor([
      { locale: 'de', page, campaign: { source: 'x' } },
      { locale: 'de', page: { path: '/b' } },
    ]),
  ).toEqual({
    writeKey: 'wk',
    sent_at: head.sentAt,
    context: { locale: 'de' },
    batch: [
      { id: 0, context: { page, campaign: { source: 'x' } } },
      { id: 1, context: { page: { path: '/b' } } },
    ],
  });
});

test('a single touchpoint shares everything with itself', () => {
  expect(bodyFor([{ locale: 'de' }])).toMatchObject({ context: { locale: 'de' }, batch: [{ id: 0 }] });
});

test('losses travel with the batch', () => {
  expect(JSON.parse(bodyOf([{}], { ...head, lost: { expired: 2 } }))).toMatchObject({ lost: { expired: 2 } });
});
