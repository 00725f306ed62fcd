import { Option, type Command } from 'commander';
import { allScopes, defaultScopes, scopes as meanings, type Scope } from '../api/scopes.ts';
import { createKey, listKeys, revokeKey, type KeyKind } from '../database/keys.ts';
import { Refusal } from '../refusal.ts';
import { siteId } from './arguments.ts';
import { printOne, printRows, withDatabase } from './terminal.ts';

/** `milepost key create|list|revoke`. */
export function register(program: Command): void {
  const key = program
    .command('key')
    .description('Keys: write keys are public and only add, secret keys are scoped and shown once');

  key
    .command('create')
    .description('Make a key; a secret key is shown this once and kept only as a hash')
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .addOption(
      new Option('--kind <kind>', 'for pages or for servers')
        .choices(['write', 'secret'])
        .makeOptionMandatory(),
    )
    .option('--scope <scope...>', 'what a secret key may do; default: everything but read:contacts')
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      `\nScopes:\n${Object.entries(meanings)
        .map(([scope, meaning]) => `  ${scope.padEnd(16)}${meaning}`)
        .join('\n')}`,
    )
    .action(async (options: { site: number; kind: KeyKind; scope?: string[]; json?: boolean }) => {
      if (options.kind === 'write' && options.scope)
        throw new Refusal('a write key has no scopes: it can only add touchpoints.');
      const scopes = scopesOf(options.scope);
      const made = await withDatabase(async (pool) => {
        const { rowCount } = await pool.query('select from store.sites where site_id = $1', [options.site]);
        if (!rowCount) throw new Refusal(`there is no site ${options.site}; milepost site list shows them.`);
        return createKey(pool, { siteId: options.site, kind: options.kind, scopes });
      });
      printOne(
        {
          site_id: options.site,
          key_id: made.keyId,
          kind: options.kind,
          key: made.key,
          scopes: options.kind === 'write' ? [] : scopes,
        },
        options,
      );
    });

  key
    .command('list')
    .description('Show keys, the revoked ones too; of a secret key only its first characters')
    .option('--site <site>', 'only those of this site', siteId)
    .option('--json', 'print as JSON')
    .action(async (options: { site?: number; json?: boolean }) => {
      printRows(await withDatabase((pool) => listKeys(pool, options.site)), options);
    });

  key
    .command('revoke')
    .description('End a key; running collectors stop taking it within a few seconds')
    .argument('<key>', 'its key_id, or the key itself')
    .option('--json', 'print the result as one JSON line')
    .action(async (idOrKey: string, options: { json?: boolean }) => {
      const isRevoked = await withDatabase((pool) => revokeKey(pool, idOrKey));
      if (!isRevoked) throw new Refusal('there is no such live key; milepost key list shows them.');
      printOne({ revoked: true }, options);
    });
}

function scopesOf(named: string[] | undefined): readonly Scope[] {
  if (!named) return defaultScopes;
  const words = named.flatMap((text) => text.split(','));
  const unknown = words.filter((word) => !(allScopes as string[]).includes(word));
  if (unknown.length > 0)
    throw new Refusal(`there is no scope ${unknown.join(', ')}; the scopes are ${allScopes.join(', ')}.`);
  return words as Scope[];
}
