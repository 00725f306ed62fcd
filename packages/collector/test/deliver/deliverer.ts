/** A deliverer as a process of its own: it says `ready`, and works until it is killed. */
import { createPool } from '../../src/database/pool.ts';
import { startDeliver } from '../../src/deliver/index.ts';

const [url = '', leaseMs = '2000'] = process.argv.slice(2);
startDeliver({
  pool: createPool(url, { name: 'milepost deliver', connections: 4 }),
  log: { warn: () => {} },
  policy: 'any',
  // so many that no bad luck with a flaky receiver is taken for a loss
  schedule: Array.from({ length: 40 }, (_, index) => Math.min(50 * (index + 1), 500)),
  leaseMs: Number(leaseMs),
  timeoutMs: 1_000,
});
process.stdout.write('ready\n');
