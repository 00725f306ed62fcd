import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type pg from 'pg';
import { channelsJsonSchema, checkChannels, type ChannelsDocument } from '../channels/document.ts';
import { channelsOf, listRules, refusalOf, resetChannels, setChannels } from '../channels/store.ts';
import { rederive } from '../derive/rebuild.ts';
import { Refusal } from '../refusal.ts';
import { siteId } from './arguments.ts';
import { phaseProgress } from './phases.ts';
import { printOne, printRows, withDatabase } from './terminal.ts';

const whenItApplies =
  '\nNew sessions go by the new rules at once. The whole history is derived again under them behind the old answers, which\n' +
  'stay readable until all is switched at once. One that was ended halfway goes on with milepost rebuild --site.';

/** `milepost channel list|set|reset|schema`. */
export function register(program: Command): void {
  const channel = program
    .command('channel')
    .description(
      "Channels: Google's default channel group, and a site's own rules before it or in its place",
    );

  channel
    .command('list')
    .description('Show the rules that are tried for a site, in order; the first that holds gives the channel')
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .option('--own', "print the site's own rules as the document that channel set takes")
    .option('--json', 'print one JSON document')
    .action(async (options: { site: number; own?: boolean; json?: boolean }) => {
      if (options.own) {
        const document = await withDatabase((pool) => channelsOf(pool, options.site));
        if (document === null) throw new Refusal(`site ${options.site} has no channels of its own.`);
        process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
        return;
      }
      const rules = await withDatabase((pool) => listRules(pool, options.site));
      printRows(
        options.json
          ? rules
          : rules.map(({ position, is_own: isOwn, channel: name, match, ...conditions }) => ({
              rule: isOwn ? `own ${position}` : `default ${position}`,
              channel: name,
              match,
              conditions: Object.entries(conditions)
                .map(([condition, value]) => `${condition}=${Array.isArray(value) ? value.join('|') : value}`)
                .join(' '),
            })),
        options,
      );
    });

  channel
    .command('set')
    .description(
      "Give a site its own channels, in place of those it had; they are tried before Google's default ones",
    )
    .argument('<file>', 'the path of a JSON file, - for standard input')
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      `
The document:
  {
    "rules": [
      { "channel": "Partners", "mediums": ["partner"], "source_pattern": "^partner[.]", "match": "any" },
      { "channel": "Brand search", "category": "search", "campaign_pattern": "brand" }
    ],
    "default_rules": "after"
  }
Conditions: sources, mediums and campaigns are lists; source_pattern, medium_pattern and campaign_pattern are regular
expressions that match anywhere; category is search, shopping, social, video, assistant or mail. Case never counts.
"default_rules": "none" leaves what no rule takes Unassigned.
${whenItApplies}`,
    )
    .action(async (file: string, options: { site: number; json?: boolean }) => {
      const channels = await readChannels(file);
      const rowsChanged = await changed(options, (pool) =>
        setChannels(pool, { siteId: options.site, channels }),
      );
      printOne(
        {
          site_id: options.site,
          rules: channels.rules.length,
          default_rules: channels.default_rules,
          rows_changed: rowsChanged,
        },
        options,
      );
    });

  channel
    .command('reset')
    .description("Take a site's own channels away; Google's default ones remain")
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .option('--json', 'print the result as one JSON line')
    .addHelpText('after', whenItApplies)
    .action(async (options: { site: number; json?: boolean }) => {
      const rowsChanged = await changed(options, (pool) => resetChannels(pool, options.site));
      printOne(
        { site_id: options.site, rules: 0, default_rules: 'after', rows_changed: rowsChanged },
        options,
      );
    });

  channel
    .command('schema')
    .description('Print the JSON Schema of the document, for editors')
    .action(() => {
      process.stdout.write(`${JSON.stringify(channelsJsonSchema(), null, 2)}\n`);
    });
}

/** Makes a change and derives the site again under it. */
async function changed(
  { site, json }: { site: number; json?: boolean },
  change: (pool: pg.Pool) => Promise<void>,
): Promise<number> {
  const progress = phaseProgress(!json);
  return withDatabase(async (pool) => {
    await change(pool);
    return rederive(pool, [site], { onProgress: progress.onProgress });
  }).finally(progress.stop);
}

async function readChannels(file: string): Promise<ChannelsDocument> {
  const text = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8').catch(
    (error: NodeJS.ErrnoException) => {
      throw new Refusal(`${file} cannot be read (${error.code}).`);
    },
  );
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new Refusal(`${file} is no JSON: ${(error as Error).message}.`);
  }
  const checked = checkChannels(document);
  if (!checked.ok) throw refusalOf(checked.problems);
  return checked.channels;
}
