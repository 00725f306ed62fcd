import { expect, test } from 'vitest';
import { shared } from './share.ts';

/** A clock, and a question whose answers are given by hand. */
function arrange() {
  const clock = { time: 0 };
  const made: { siteId: number; resolve: (answer: string) => void; reject: (error: Error) => void }[] = [];
  const ask = shared<string>(
    (siteId) => new Promise((resolve, reject) => made.push({ siteId, resolve, reject })),
    { now: () => clock.time },
  );
  return { clock, made, ask };
}

test('those who ask at once share one answer', async () => {
  const { made, ask } = arrange();
  const answers = [ask(1), ask(1), ask(1)];
  made[0]?.resolve('first');
  expect(await Promise.all(answers)).toEqual(['first', 'first', 'first']);
  expect(made).toHaveLength(1);
});

test('an answer holds for four times as long as it took', async () => {
  const { clock, made, ask } = arrange();
  const first = ask(1);
  clock.time = 200;
  made[0]?.resolve('first');
  await first;
  clock.time = 999;
  expect(await ask(1)).toBe('first');
  clock.time = 1_000;
  void ask(1);
  expect(made).toHaveLength(2);
});

test('sites share nothing', () => {
  const { made, ask } = arrange();
  void ask(1);
  void ask(2);
  expect(made.map(({ siteId }) => siteId)).toEqual([1, 2]);
});

test('a failure is forgotten', async () => {
  const { made, ask } = arrange();
  const first = ask(1);
  made[0]?.reject(new Error('away'));
  await expect(first).rejects.toThrow('away');
  const second = ask(1);
  made[1]?.resolve('back');
  expect(await second).toBe('back');
});
