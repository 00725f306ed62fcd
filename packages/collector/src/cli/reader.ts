import { InvalidArgumentError, type Command } from 'commander';
import { createReader } from '../database/readers.ts';
import { databaseUrl, printOne, withDatabase } from './terminal.ts';

/** `milepost reader create`. */
export function register(program: Command): void {
  const reader = program
    .command('reader')
    .description('Database roles that read the views of schema journey and nothing else');

  reader
    .command('create')
    .description('Make a role for a person or a BI tool; its URL with the password is shown this once')
    .argument('[name]', 'name of the role', roleName, 'milepost_bi')
    .option('--json', 'print the result as one JSON line')
    .action(async (role: string, options: { json?: boolean }) => {
      const { password } = await withDatabase((pool) => createReader(pool, role));
      const url = new URL(databaseUrl());
      url.username = role;
      url.password = password;
      printOne({ role, url: url.href }, options);
    });
}

function roleName(text: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(text)) {
    throw new InvalidArgumentError('Small letters, digits and underscores, a letter first.');
  }
  return text;
}
