import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { Deriver } from '../derive/derive.ts';
import { changeGoals, goalsOf } from '../goals/change.ts';
import { checkGoals, type Goal } from '../goals/document.ts';
import { Refusal } from '../refusal.ts';
import { siteId } from './arguments.ts';
import { printOne, withDatabase } from './terminal.ts';

/** `milepost goal show|apply`. */
export function register(program: Command): void {
  const goal = program
    .command('goal')
    .description(
      'Goals: which touchpoints and orders are conversions of a site, and which of them make the rates',
    );

  goal
    .command('show')
    .description('Print the goals of a site as JSON')
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .action(async (options: { site: number }) => {
      const { goals } = await withDatabase((pool) => goalsOf(pool, options.site));
      process.stdout.write(`${JSON.stringify(goals, null, 2)}\n`);
    });

  goal
    .command('apply')
    .description(
      'Give a site these goals in place of those it has. The old answers stay readable until what reaches the new ' +
        'goals has been found in all touchpoints',
    )
    .argument('<file>', 'the path of a JSON file, a list of goals')
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      '\nTo add a goal:\n  $ milepost goal show --site 1 > goals.json\n  $ milepost goal apply goals.json --site 1',
    )
    .action(async (file: string, options: { site: number; json?: boolean }) => {
      const goals = await readGoals(file);
      const isChanged = await withDatabase(async (pool) => {
        const { next } = await changeGoals(pool, options.site, goals);
        if (next === null) return false;
        const deriver = await Deriver.open(pool);
        try {
          while (await deriver.deriveGoalChanges({ isPatient: true }));
        } finally {
          await deriver.close();
        }
        return true;
      });
      printOne(
        { site_id: options.site, goals: goals.map(({ name }) => name).join(', '), is_changed: isChanged },
        options,
      );
    });
}

async function readGoals(file: string): Promise<Goal[]> {
  let document: unknown;
  try {
    document = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new Refusal(`${file} cannot be read as JSON: ${(error as Error).message}.`);
  }
  const checked = checkGoals(document);
  if (!checked.ok)
    throw new Refusal(`${file} is not taken:\n${checked.problems.map((one) => `- ${one}`).join('\n')}`);
  return checked.goals;
}
