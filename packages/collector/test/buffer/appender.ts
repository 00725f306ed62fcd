// Part of crash.test.ts: appends numbers from where the last run stopped, says which are durable, and confirms the
// older half now and then, until it is killed.
import { openLmdbBuffer } from '../../src/buffer/lmdb.ts';

const [folder = '', from = '0'] = process.argv.slice(2);
const buffer = await openLmdbBuffer({ folder, maxBytes: 64 * 1024 * 1024 });
const envelope = { siteId: 1, receivedAt: Date.now(), isTrusted: false, ingestedBy: 'events' };
let next = Number(from) + 1;

async function append(): Promise<void> {
  for (;;) {
    const number = next;
    next += 1;
    await buffer.append(envelope, Buffer.from(String(number)));
    inOrder(number);
  }
}

// Appends of one commit end in any order; only a number below which all are durable is said.
const durable = new Set<number>();
let said = Number(from);
function inOrder(number: number): void {
  durable.add(number);
  while (durable.delete(said + 1)) said += 1;
  process.send?.({ acked: said });
  if (number % 50 !== 0) return;
  const entries = buffer.read(null, { maxEntries: 20, maxBytes: 1e6 });
  const last = entries.at(-1);
  if (!last) return;
  const confirmed = Number(Buffer.from(last.body).toString());
  if (confirmed > said) return;
  process.send?.({ confirmed });
  void buffer.confirm(last.position);
}

await Promise.all(Array.from({ length: 8 }, append));
