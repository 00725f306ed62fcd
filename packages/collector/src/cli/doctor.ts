import type { Command } from 'commander';
import { databaseFindings, environmentFindings, type Finding } from '../doctor/index.ts';
import { databaseUrl, withDatabase } from './terminal.ts';

/** `milepost doctor`: finds the usual misconfigurations. */
export function register(program: Command): void {
  program
    .command('doctor')
    .description(
      'Look for the usual mistakes in the environment, PostgreSQL, sites and data, and tell what to do about each; ' +
        'changes nothing. Exit code 1 if anything is wrong, 0 if there are notes alone',
    )
    .option('--json', 'print the findings as one JSON document')
    .addHelpText(
      'after',
      `
Run it with the environment of the collector, on its machine and as its user: it looks at the buffer's folder too.`,
    )
    .action(async (options: { json?: boolean }) => {
      databaseUrl(); // refuses in a sentence where none is named
      // the demo has an environment of its own making
      const ofProcess = process.env['DATABASE_URL'] ? environmentFindings(process.env) : [];
      const findings = [...ofProcess, ...(await withDatabase(databaseFindings))];
      process.stdout.write(options.json ? `${JSON.stringify(findings, null, 2)}\n` : textOf(findings));
      if (findings.some(({ level }) => level === 'wrong')) process.exitCode = 1;
    });
}

function textOf(findings: Finding[]): string {
  const lines = findings.map(
    ({ level, check, found, advice }) => `${level.padEnd(5)}  ${check}: ${found}\n       ${advice}\n`,
  );
  const count = findings.filter(({ level }) => level === 'wrong').length;
  return `${lines.join('')}${count} wrong, ${findings.length - count} to note\n`;
}
