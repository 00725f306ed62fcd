import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { checkFile, makeDatabase, restore, type Restored } from '../backup/index.ts';
import { type Progress, progressBar } from '../simulate/progress.ts';
import { sumOf, touchpointsOf } from './backup.ts';
import { databaseUrl, inOneSentence, printOne, withDatabase } from './terminal.ts';

type Options = { check?: boolean; silent?: boolean; json?: boolean };

/** `milepost restore`: a backup into an empty database. */
export function register(program: Command): void {
  program
    .command('restore')
    .argument('<file>', 'what milepost backup wrote, by this version or an older one')
    .description('Put a backup into an empty database: all of it, or, when anything fails, nothing')
    .option('--check', 'only read the file and check that it is whole; needs no database')
    .option('--silent', 'leave all webhooks disabled: for a copy that must not tell anybody')
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      `
The database that DATABASE_URL names must hold no site yet; where there is none of that name, it is made. The whole file is checked first; one that is cut short or was
altered is refused. A backup of an older version is brought to this one. Then start the collector on the database, with
the buffer it had: what waits there is stored, and what is known already is not stored twice.

After it, keys, secrets, settings and views are those of the backup. Nothing is derived again; milepost verify finds no
difference. The change feed goes on behind a gap: cursors up to the backup hold, later ones are answered by
cursor-expired. What fell due before now arms no trigger.

Examples:
  $ DATABASE_URL=postgres://user:password@localhost/milepost_restored milepost restore milepost-2026-11-23.tar
  $ milepost restore milepost-2026-11-23.tar --check`,
    )
    .action(async (file: string, options: Options) => {
      const progress = progressOf(file, !options.json);
      const startedAt = performance.now();
      try {
        if (options.check) {
          const checked = await checkFile(file, (bytes) => progress.to('checked', bytes));
          progress.stop();
          const { createdAt: created_at, ackedUntil: acked_until } = checked.manifest;
          printOne({ file, is_whole: true, created_at, acked_until, ...countsOf(checked.rows) }, options);
          return;
        }
        await makeDatabase(databaseUrl());
        const done = await withDatabase((pool) =>
          restore(pool, { file, isSilent: options.silent ?? false, onProgress: progress.to }),
        );
        progress.stop();
        for (const line of notesOf(done)) process.stderr.write(`${line}\n`);
        printOne(
          {
            file,
            created_at: done.manifest.createdAt,
            acked_until: done.manifest.ackedUntil,
            ...countsOf(done.rows),
            migrations_applied: done.applied.length,
            seconds: Math.round((performance.now() - startedAt) / 100) / 10,
          },
          options,
        );
      } catch (error) {
        throw inOneSentence(error);
      } finally {
        progress.stop();
      }
    });
}

function countsOf(rows: Record<string, number>): { touchpoints: number; rows: number } {
  return { touchpoints: touchpointsOf(rows), rows: sumOf(rows) };
}

function notesOf({ manifest, missingReaders }: Restored): string[] {
  const behind = manifest.behind.map(
    ({ collector, ackedUntil }) =>
      `when it was made, collector ${collector} had not stored what it acked since ${ackedUntil}`,
  );
  const readers = missingReaders.map(({ role, schema }) => {
    const site = /^journey_site_(?<site>\d+)$/.exec(schema)?.groups?.['site'];
    const option = site === undefined ? '' : ` --site ${site}`;
    return `reader ${role} is no role of this server; make it with milepost reader create ${role}${option}`;
  });
  return [...behind, ...readers];
}

/** A bar for what is checked, in bytes, and one for what is restored, in rows. */
function progressOf(file: string, isShown: boolean) {
  let current: { phase: string; bar: Progress } | undefined;
  return {
    to: (phase: 'checked' | 'restored', done: number, total?: number): void => {
      if (current?.phase !== phase) {
        current?.bar.stop();
        const bar = progressBar({
          total: total ?? done,
          unit: phase === 'checked' ? 'bytes checked' : 'rows',
          isShown,
        });
        current = { phase, bar };
        if (total === undefined) void stat(file).then(({ size }) => bar.of(size));
      }
      current.bar.to(done);
    },
    stop: (): void => current?.bar.stop(),
  };
}
