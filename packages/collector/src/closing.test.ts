import { expect, test } from 'vitest';
import { Closing } from './closing.ts';

test('the last opened closes first, also past one that fails, and only once', async () => {
  const closing = new Closing();
  const closed: string[] = [];
  const note = (name: string) => async () => void closed.push(name);
  closing.add(note('database'));
  closing.add(() => Promise.reject(new Error('buffer')));
  closing.add(note('server'));
  await expect(closing.close()).rejects.toThrow('buffer');
  expect(closed).toEqual(['server', 'database']);
  await closing.close();
  expect(closed).toEqual(['server', 'database']);
});
