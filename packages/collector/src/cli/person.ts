import { type Command, InvalidArgumentError } from 'commander';
import type pg from 'pg';
import { CorrectionRefused } from '../persons/corrections.ts';
import type { Identity } from '../persons/links.ts';
import { findPerson, type Finding, personShown } from '../persons/show.ts';
import { mergePersons } from '../persons/merge.ts';
import { unmergePerson } from '../persons/unmerge.ts';
import { Refusal } from '../refusal.ts';
import { siteId } from './arguments.ts';
import { printOne, printRows, withDatabase } from './terminal.ts';

type Common = { site: number; json?: boolean };
type Saying = Common & { author: string; note?: string };

/** `milepost person show|merge|unmerge`. */
export function register(program: Command): void {
  const person = program.command('person').description('Persons: who they are, merged and un-merged by hand');

  person
    .command('show')
    .description(
      'Show a person with the identities that make it, why each belongs to it, and what was said by hand',
    )
    .argument(
      '<person>',
      'a person id, or an identity as user_id:ada, anonymous_id:…, loyalty_card:…',
      finding,
    )
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .option('--json', 'print one JSON document')
    .action(async (whom: Finding, options: Common) => {
      const shown = await corrected((pool) => personShown(pool, options.site, whom));
      if (options.json) {
        process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
        return;
      }
      const { identities, corrections, ...facts } = shown;
      printOne(facts, options);
      process.stdout.write('\n');
      printRows(identities, options);
      if (corrections.length > 0) process.stdout.write('\nsaid by hand:\n');
      if (corrections.length > 0) printRows(corrections, options);
    });

  person
    .command('merge')
    .description(
      'Make two persons one, as if from the start; nothing stored is rewritten, and unmerge undoes it',
    )
    .argument('<person>', 'a person id, or an identity as user_id:ada', finding)
    .argument(
      '<into>',
      'the other; it survives if both have a user id, else the one that has one, or was seen first',
      finding,
    )
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .requiredOption('--author <name>', 'who says so')
    .option('--note <text>', 'why')
    .option('--json', 'print the receipt as one JSON line')
    .addHelpText(
      'after',
      `
Two accounts of one customer:
  $ milepost person merge user_id:ada user_id:ada.lovelace --site 1 --author desk --note "asked by mail"
and apart again:
  $ milepost person unmerge user_id:ada.lovelace --identity user_id:ada --site 1 --author desk`,
    )
    .action(async (whom: Finding, other: Finding, { site, author, note, json }: Saying) => {
      const receipt = await corrected(async (pool) =>
        mergePersons(pool, {
          siteId: site,
          from: await findPerson(pool, site, whom),
          into: await findPerson(pool, site, other),
          author,
          note,
        }),
      );
      printReceipt(receipt, json);
    });

  person
    .command('unmerge')
    .description(
      'Give back a person that was joined to another, by hand or by itself: its former id is its own again',
    )
    .argument('<person>', 'the person it was joined to, or the former id itself', finding)
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .option('--former <person>', 'the former id to give back, as person show lists it', uuid)
    .option('--identity <type:value>', 'or the identity that is to be by itself again', identity)
    .option(
      '--apart-from <type:value>',
      'with --identity: sever the link between these two, and no other',
      identity,
    )
    .requiredOption('--author <name>', 'who says so')
    .option('--note <text>', 'why')
    .option('--json', 'print the receipt as one JSON line')
    .addHelpText(
      'after',
      `
What was merged by hand, if that was one thing:
  $ milepost person unmerge user_id:ada --site 1 --author desk
A browser in a library that was taken for hers:
  $ milepost person unmerge user_id:ada --identity anonymous_id:4711 --site 1 --author desk

Touchpoints that carry a user id themselves stay that user's. The pair stays apart, also when it is seen
together again, until it is merged by hand.`,
    )
    .action(
      async (
        whom: Finding,
        {
          site,
          author,
          note,
          json,
          former,
          identity: of,
          apartFrom,
        }: Saying & { former?: string; identity?: Identity; apartFrom?: Identity },
      ) => {
        if (former && of) throw new Refusal('say --former or --identity, not both.');
        if (apartFrom && !of) throw new Refusal('--apart-from needs --identity.');
        const receipt = await corrected(async (pool) =>
          unmergePerson(pool, {
            siteId: site,
            personId: await findPerson(pool, site, whom),
            formerPersonId: former,
            identity: of,
            apartFrom,
            author,
            note,
          }),
        );
        printReceipt(receipt, json);
      },
    );
}

function printReceipt({ links, ...receipt }: { links: object[] } & object, json: boolean | undefined): void {
  printOne(json ? { ...receipt, links } : { ...receipt, links: links.length }, { json });
}

async function corrected<Result>(work: (pool: pg.Pool) => Promise<Result>): Promise<Result> {
  return withDatabase(async (pool) => {
    try {
      return await work(pool);
    } catch (error) {
      throw error instanceof CorrectionRefused ? new Refusal(error.message) : error;
    }
  });
}

function finding(text: string): Finding {
  return text.includes(':') ? identity(text) : { personId: uuid(text) };
}

function identity(text: string): Identity {
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1) throw new InvalidArgumentError('Write it like user_id:ada.');
  return { type: text.slice(0, colon), value: text.slice(colon + 1) };
}

function uuid(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new InvalidArgumentError('Write a person id, a UUID, or an identity like user_id:ada.');
  }
  return text.toLowerCase();
}
