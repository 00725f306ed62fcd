/** A deliverer as a process of its own: it says `ready`, and works until it is killed. */
import { createPool } from '../../src/database/pool.ts';
import { startDeliver } from '../../src/deliver/index.ts';

const [url = '', leaseMs = '2000'] = process.argv.slice(2);
startDeliver({
  pool: createPool(url, { name: 'milepost deliver', connections: 4 }),
  log: { warn: () => {} },
  policy: 'any',
  schedule: [50, 100, 200, 400, 800, 1_600, 3_200],
  leaseMs: Number(leaseMs),
  timeoutMs: 1_000,
});
process.stdout.write('ready\n');
