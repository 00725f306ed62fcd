import { type Command, InvalidArgumentError } from 'commander';
import { listOverrides, removeOverride, setOverride, type Whose } from '../models/override.ts';
import { Refusal } from '../refusal.ts';
import { siteId } from './arguments.ts';
import { printOne, printRows, withDatabase } from './terminal.ts';

type SetOptions = {
  site: number;
  person?: string;
  userId?: string;
  anonymousId?: string;
  from?: Date;
  until?: Date;
  author: string;
  note?: string;
  json?: boolean;
};

/** `milepost override set|list|remove`. */
export function register(program: Command): void {
  const override = program.command('override').description('Stages of persons set by hand');

  override
    .command('set')
    .description(
      'Set the stage of a person from an instant on; later signals go on from there, or with --until only those after it',
    )
    .argument('<stage>', "a stage of the site's model")
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .option('--person <id>', 'the person, by id')
    .option('--user-id <id>', 'the person, by user id')
    .option('--anonymous-id <id>', 'the person, by anonymous id')
    .option('--from <instant>', 'from when on, as 2026-05-01T09:00Z (default: now)', instant)
    .option('--until <instant>', 'until when signals and timers move nothing', instant)
    .requiredOption('--author <name>', 'who says so')
    .option('--note <text>', 'why')
    .option('--json', 'print the result as one JSON line')
    .action(async (stage: string, options: SetOptions) => {
      const { site, from, until, author, note } = options;
      const made = await withDatabase((pool) =>
        setOverride(pool, { siteId: site, whose: whoseOf(options), stage, from, until, author, note }),
      );
      printOne({ override_id: made.overrideId, person_id: made.personId, stage }, options);
    });

  override
    .command('list')
    .description('Show the overrides of a site, newest first')
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .option('--json', 'print one JSON document')
    .action(async (options: { site: number; json?: boolean }) => {
      printRows(await withDatabase((pool) => listOverrides(pool, options.site)), options);
    });

  override
    .command('remove')
    .description('Undo an override, as if it had never been')
    .argument('<override>', 'its id, as override list shows it', uuid)
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .option('--json', 'print the result as one JSON line')
    .action(async (overrideId: string, options: { site: number; json?: boolean }) => {
      const isGone = await withDatabase((pool) => removeOverride(pool, { siteId: options.site, overrideId }));
      if (!isGone) throw new Refusal(`site ${options.site} has no override ${overrideId}.`);
      printOne({ override_id: overrideId, removed: true }, options);
    });
}

function whoseOf({ person, userId, anonymousId }: SetOptions): Whose {
  if ([person, userId, anonymousId].filter((given) => given !== undefined).length !== 1) {
    throw new Refusal('say whose stage it is with one of --person, --user-id and --anonymous-id.');
  }
  if (person !== undefined) return { personId: uuid(person) };
  return userId === undefined
    ? { type: 'anonymous_id', value: anonymousId ?? '' }
    : { type: 'user_id', value: userId };
}

function instant(text: string): Date {
  const at = new Date(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(at.getTime())) {
    throw new InvalidArgumentError('Write it like 2026-05-01T09:00Z.');
  }
  return at;
}

function uuid(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new InvalidArgumentError('Write the id as it is shown: a UUID.');
  }
  return text.toLowerCase();
}
