/** A deliverer as a process of its own, as `milepost serve` runs one, with waits that a benchmark can wait for. */
import { createPool } from '@milepost/collector/database/pool';
import { startDeliver } from '@milepost/collector/deliver/index';

startDeliver({
  pool: createPool(process.argv[2] ?? '', { name: 'milepost deliver', connections: 5 }),
  log: { warn: (...said: unknown[]) => void process.stderr.write(`${JSON.stringify(said)}\n`) },
  policy: 'any',
  schedule: [100, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000],
  leaseMs: 5_000,
  timeoutMs: 2_000,
});
process.stdout.write('ready\n');
