import { InvalidArgumentError, type Command } from 'commander';
import { createReader } from '../database/readers.ts';
import { siteId } from './arguments.ts';
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
    .option('--site <site>', 'let it read this site alone, by the same views in a schema of its own', siteId)
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      `
The role's search path leads to its views, so queries need no schema:
  select * from current_stages;
The views of all sites stand in schema journey, those of site 3 alone in schema journey_site_3.`,
    )
    .action(async (role: string, options: { site?: number; json?: boolean }) => {
      const { schema, password } = await withDatabase((pool) =>
        createReader(pool, { role, siteId: options.site }),
      );
      const url = new URL(databaseUrl());
      url.username = role;
      url.password = password;
      printOne({ role, schema, url: url.href }, options);
    });
}

function roleName(text: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(text)) {
    throw new InvalidArgumentError('Small letters, digits and underscores, a letter first.');
  }
  return text;
}
