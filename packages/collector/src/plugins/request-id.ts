import { randomBytes } from 'node:crypto';

/**
 * Gives out request ids: a random part of this process and a count, so that one costs no system call. A client's own
 * id is not taken over: it would let anyone write into the log.
 */
export function requestIds(): () => string {
  const process = randomBytes(6).toString('base64url');
  let count = 0;
  return () => {
    count += 1;
    return `${process}-${count.toString(36)}`;
  };
}
