import { expect, test } from 'vitest';
import { Refusal } from '../refusal.ts';
import { inOneSentence } from './terminal.ts';

test.each([
  {
    error: { code: 'ECONNREFUSED', address: '127.0.0.1', port: 5432 },
    says: 'PostgreSQL at 127.0.0.1:5432 does not answer (ECONNREFUSED); is it running, and is DATABASE_URL right?',
  },
  {
    error: { code: 'EACCES', path: '/data/postgres' },
    says: '/data/postgres cannot be used by this user (EACCES); was it made by another one, such as root?',
  },
  { error: { code: 'ENOSPC', path: '/data/buffer' }, says: 'the disk is full (/data/buffer).' },
])('$error.code becomes one sentence', ({ error, says }) => {
  const told = inOneSentence(Object.assign(new Error('raw'), error));
  expect(told).toBeInstanceOf(Refusal);
  expect((told as Refusal).message).toBe(says);
});

test('what is unknown stays an error with its stack', () => {
  const error = new TypeError('a bug');
  expect(inOneSentence(error)).toBe(error);
});
