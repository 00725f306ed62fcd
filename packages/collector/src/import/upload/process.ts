// A process of its own, so that a long import takes neither the event loop nor the memory of those who serve. It is
// told what to do by a message, says what came of it, and ends.
import { createPool } from '../../database/pool.ts';
import { Refusal } from '../../refusal.ts';
import { importFile } from '../import.ts';
import type { Order, Outcome } from './messages.ts';

const stop = new AbortController();
// Who asked may be gone, too: then what is stored stays, and the same body goes on there.
for (const event of ['SIGTERM', 'disconnect'] as const) process.once(event, () => stop.abort());
process.on('SIGINT', () => {}); // Ctrl-C in a terminal reaches us too; the collector decides

process.once('message', (order: Order) => {
  void carryOut(order).then((outcome) => {
    if (process.connected) process.send?.(outcome, () => process.exit());
    else process.exit();
  });
});

async function carryOut({ databaseUrl, options }: Order): Promise<Outcome> {
  const pool = createPool(databaseUrl, { name: 'milepost import', connections: 2 });
  try {
    return { kind: 'done', summary: await importFile(pool, { ...options, signal: stop.signal }) };
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', message: error.message };
    const { code = null, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_')) return { kind: 'unpacking-failed' };
    return { kind: 'failed', code, message };
  } finally {
    await pool.end().catch(() => {}); // it may be what failed
  }
}
