import { createHmac, timingSafeEqual } from 'node:crypto';

/** The proof that a browser belongs to a user: hex HMAC-SHA-256 of the user id by one of the site's identity secrets. */
export function proofOf(secret: string, userId: string): string {
  return createHmac('sha256', secret).update(userId).digest('hex');
}

/** Whether `proof` proves `userId` by any of the secrets. Takes the same time for every proof of the right length. */
export function isProven(userId: string, proof: string, secrets: readonly string[]): boolean {
  if (!/^[0-9a-f]{64}$/i.test(proof)) return false;
  const given = Buffer.from(proof, 'hex');
  let isRight = false;
  for (const secret of secrets) {
    if (timingSafeEqual(given, Buffer.from(proofOf(secret, userId), 'hex'))) isRight = true;
  }
  return isRight;
}
