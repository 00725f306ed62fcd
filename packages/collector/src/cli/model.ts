import type { Command } from 'commander';
import { applyModel, modelOf } from '../models/apply.ts';
import { modelJsonSchema } from '../models/document.ts';
import { readModel } from '../models/shipped.ts';
import { Refusal } from '../refusal.ts';
import { type Progress, progressBar } from '../simulate/progress.ts';
import { siteId } from './arguments.ts';
import { printOne, withDatabase } from './terminal.ts';

/** `milepost model apply|show|check|schema`. */
export function register(program: Command): void {
  const model = program
    .command('model')
    .description(
      'Journey models: the stages of a site, what leads from one to the next, as one JSON document',
    );

  model
    .command('apply')
    .description(
      'Give a site a journey model and derive every person anew under it. The old answers stay readable until all are ' +
        'switched at once; a run that was ended halfway is finished by a serving collector, or when the same model is applied again',
    )
    .argument('<model>', 'b2b_saas, ecommerce or loyalty, or the path of a JSON file')
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      '\nTo change a model:\n  $ milepost model show --site 1 > model.json\n  $ milepost model apply model.json --site 1',
    )
    .action(async (nameOrFile: string, options: { site: number; json?: boolean }) => {
      const document = await readModel(nameOrFile);
      let bar: { phase: string; progress: Progress } | undefined;
      const startedAt = performance.now();
      const applied = await withDatabase((pool) =>
        applyModel(pool, {
          siteId: options.site,
          model: document,
          onProgress: (phase, done, total) => {
            if (bar?.phase !== phase) {
              bar?.progress.stop();
              bar = {
                phase,
                progress: progressBar({ total, unit: `persons ${phase}`, isShown: !options.json }),
              };
            }
            bar.progress.to(done);
          },
        }),
      ).finally(() => bar?.progress.stop());
      printOne(
        {
          site_id: options.site,
          model: document.name,
          model_version: applied.version,
          is_changed: applied.isChanged,
          seconds: Math.round((performance.now() - startedAt) / 100) / 10,
        },
        options,
      );
    });

  model
    .command('show')
    .description(
      "Print a model's document: that of a site, or a shipped one. A change of the site's model under way is told beside it",
    )
    .argument('[model]', 'b2b_saas, ecommerce or loyalty')
    .option('--site <site>', 'the number of the site whose model to print', siteId)
    .action(async (name: string | undefined, options: { site?: number }) => {
      if ((name === undefined) === (options.site === undefined)) {
        throw new Refusal(
          'say which model to show: that of a site (milepost model show --site 1), or a shipped one by name ' +
            '(milepost model show ecommerce; there are b2b_saas, ecommerce and loyalty).',
        );
      }
      const { site } = options;
      if (site === undefined) {
        print(await readModel(name ?? ''));
        return;
      }
      const { document, change } = await withDatabase((pool) => modelOf(pool, site));
      print(document);
      if (change === null) return;
      const { version, done, total } = change;
      process.stderr.write(
        `changing to version ${version} since ${change.begunAt.toISOString()}: ` +
          `${Math.min(done, total)} of ${total} persons are derived under it.\n`,
      );
    });

  model
    .command('check')
    .description('Say what is wrong with the document of a model, rule by rule; changes nothing')
    .argument('<file>', 'the path of a JSON file')
    .action(async (file: string) => {
      const { name, stages, rules } = await readModel(file);
      process.stdout.write(`${name}: ${stages.length} stages and ${rules.length} rules, no problem found\n`);
    });

  model
    .command('schema')
    .description('Print the JSON Schema of a document, for editors')
    .action(() => {
      print(modelJsonSchema());
    });
}

function print(document: object): void {
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}
