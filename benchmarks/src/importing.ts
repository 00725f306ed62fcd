import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { benchBatches } from '@milepost/collector/simulate/bench';

import { copyChunks, measureCopy } from './copy.ts';
import { startOf } from './load.ts';
import { residentMegabytes } from './machine.ts';
import { type Report, say } from './report.ts';
import type { Stand } from './stand.ts';

const cli = fileURLToPath(import.meta.resolve('@milepost/collector/cli/main'));

/**
 * Lines a second of `milepost import`, from its start to its end with the file read twice, and of the same file again,
 * where nothing is stored. Beside it the bare COPY of the same rows over one connection.
 */
export async function importing(stand: Stand, report: Report, { lines }: { lines: number }): Promise<void> {
  const options = { seed: 83, touchpoints: lines, startMs: startOf(lines) };
  const file = join(stand.folder, 'history.ndjson');
  say(`import: writing ${lines} lines`);
  const count = writeHistory(file, options);
  const copy = await measureCopy(stand, [...copyChunks(stand, options)], count);

  say('import: storing them');
  const first = await runImport(stand, file);
  say('import: the same file again');
  const again = await runImport(stand, file);
  const { rows } = await stand.pool.query<{ stored: number }>(
    'select count(*)::integer as stored from store.touchpoints',
  );
  if (rows[0]?.stored !== count) throw new Error(`${rows[0]?.stored} of ${count} lines are stored`);
  report.add({
    name: 'import',
    figure: count / first.seconds,
    unit: 'lines/s',
    limit: { what: 'bare COPY, one connection', figure: copy.rowsPerSecond },
    bar: { at_least: 20_000 },
    details: {
      lines: count,
      of_copy: count / first.seconds / copy.rowsPerSecond,
      bytes_per_line: statSync(file).size / count,
      peak_rss_mb: first.peakMegabytes,
      again_lines_per_second: count / again.seconds,
    },
  });
}

/** Writes the touchpoints of the bench profile, each line with its id, as another system would hand them over. */
function writeHistory(file: string, options: Parameters<typeof benchBatches>[0]): number {
  const output = openSync(file, 'w');
  let count = 0;
  try {
    for (const { events, isResend } of benchBatches(options)) {
      if (isResend) continue;
      writeSync(output, `${events.join('\n')}\n`);
      count += events.length;
    }
  } finally {
    closeSync(output);
  }
  return count;
}

async function runImport(stand: Stand, file: string): Promise<{ seconds: number; peakMegabytes: number }> {
  const siteId = String(stand.sites[0]?.siteId);
  const startedAt = performance.now();
  const rejects = join(stand.folder, 'rejects.ndjson');
  const child = spawn(
    process.execPath,
    [cli, 'import', file, '--site', siteId, '--no-derive', '--json', '--rejects', rejects],
    { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DATABASE_URL: stand.url } },
  );
  let peakMegabytes = 0;
  const timer = setInterval(() => {
    peakMegabytes = Math.max(peakMegabytes, (child.pid && residentMegabytes(child.pid)) || 0);
  }, 100);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`milepost import ended with ${code}`);
  return { seconds: (performance.now() - startedAt) / 1_000, peakMegabytes };
}
