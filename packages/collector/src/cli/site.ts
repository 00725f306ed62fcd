import { type Command, Option } from 'commander';
import { renewIdentitySecret } from '../database/identity-secrets.ts';
import {
  createSite,
  deleteSite,
  listSites,
  type SiteSettings,
  storedSettings,
  updateSite,
} from '../database/sites.ts';
import { rebuild } from '../derive/index.ts';
import { Refusal } from '../refusal.ts';
import { type SettingName, settingNames, settingOf } from '../settings/catalogue.ts';
import { isSettingName, readSettings, settingsOfArguments } from '../settings/read.ts';
import { collect, duration, siteId } from './arguments.ts';
import { phaseProgress } from './phases.ts';
import { printOne, printRows, withDatabase } from './terminal.ts';

type Options = { json?: boolean; name?: string; set?: string[] } & Record<string, unknown>;

/** Options of `site create` and `site update` beside `--set`, by the setting they give. */
const settingOptions: Partial<Record<SettingName, string>> = {
  allowed_origins: '--origin <origin>',
  own_hosts: '--own-host <host>',
  excluded_referrers: '--excluded-referrer <host>',
  internal_networks: '--internal-network <network>',
  worthless_ids: '--worthless-id <id>',
  currency: '--currency <code>',
  time_zone: '--time-zone <zone>',
  consent_required: '--consent-required <yes|no>',
  session_gap: '--session-gap <time>',
  cart_delay: '--cart-delay <time>',
  checkout_delay: '--checkout-delay <time>',
  cart_expiry: '--cart-expiry <time>',
  lapsed_after: '--lapsed-after <time>',
  trigger_steps: '--trigger-step <time>',
  browse_delay: '--browse-delay <time>',
  trigger_cap_window: '--trigger-cap <time>',
  changes_kept: '--changes-kept <time>',
  rejected_kept: '--rejected-kept <time>',
};

/** `milepost site create|list|settings|update|delete|rotate-secret`. */
export function register(program: Command): void {
  const site = program
    .command('site')
    .description('Sites: tenants with their own keys, settings and journey model');

  withSettings(site.command('create'))
    .description(
      'Make a site; it has no key yet (milepost key create). Its identity secret is shown this once, and proves user ids',
    )
    .argument('<name>', 'what people call it')
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      '\nExample:\n  $ milepost site create "My shop" --origin https://shop.example --currency EUR --time-zone Europe/Berlin',
    )
    .action(async (name: string, options: Options) => {
      const made = await withDatabase(async (pool) => {
        const siteId = await createSite(pool, { ...settingsOf(options), name });
        return { siteId, ...(await renewIdentitySecret(pool, { siteId })) };
      });
      printOne({ site_id: made.siteId, name, identity_secret: made.secret }, options);
    });

  site
    .command('list')
    .description('Show every site with its settings')
    .option('--json', 'print every setting as JSON')
    .action(async (options: { json?: boolean }) => {
      const sites = await withDatabase(listSites);
      if (options.json) printRows(sites, options);
      else
        printRows(
          sites.map(({ site_id, name, time_zone, currency, allowed_origins, model_name, created_at }) => ({
            site_id,
            name,
            time_zone,
            currency,
            allowed_origins,
            model_name,
            created_at,
          })),
          {},
        );
    });

  withSettings(site.command('update'))
    .description('Change settings of a site; what is not named stays')
    .argument('<site>', 'its number', siteId)
    .option('--name <name>', 'what people call it')
    .option('--wait', 'derive the site again under its new settings before this ends')
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      '\nA setting that derivation reads, as the currency, applies to the whole history: a serving collector derives the site ' +
        'again, and the old answers stay until it is done. milepost site list --json tells how far it is; without a serving ' +
        'collector milepost rebuild --site does it.',
    )
    .action(async (id: number, options: Options & { wait?: boolean }) => {
      const settings = settingsOf(options);
      if (Object.keys(settings).length === 0)
        throw new Refusal('nothing to change was named; milepost site update --help lists the settings.');
      const progress = phaseProgress(!options.json);
      const waiting = await withDatabase(async (pool) => {
        const updated = await updateSite(pool, id, settings);
        if (!updated) throw new Refusal(`there is no site ${id}; milepost site list shows them.`);
        if (!options.wait || updated.waiting.length === 0) return updated.waiting;
        await rebuild(pool, { siteId: id, onProgress: progress.onProgress });
        return [];
      }).finally(progress.stop);
      const changed = Object.keys(settings).filter((name) => !waiting.includes(name));
      printOne(
        { site_id: id, changed, ...(waiting.length > 0 && { being_derived_again: waiting }) },
        options,
      );
    });

  site
    .command('settings')
    .description('Show every setting of a site with what it means, its default and its present value')
    .argument('<site>', 'its number', siteId)
    .option('--json', 'print them as JSON, with how each is written and what is allowed')
    .addHelpText('after', '\nTo change one:\n  $ milepost site update 1 --set engaged_after="15 seconds"')
    .action(async (id: number, { json }: { json?: boolean }) => {
      const stored = await withDatabase((pool) => storedSettings(pool, id));
      if (!stored) throw new Refusal(`there is no site ${id}; milepost site list shows them.`);
      printRows(
        settingNames.map((name) => {
          const { form, description, default: standard, readByDerivation } = settingOf(name);
          const shown = {
            setting: name,
            value: form.textOf(stored[name]) || null,
            default: form.textOf(form.schema.parse(standard)) || null,
          };
          if (!json) return { ...shown, description };
          return {
            ...shown,
            description,
            form: form.name,
            allowed: form.allowed,
            is_read_by_derivation: readByDerivation,
          };
        }),
        { json },
      );
    });

  site
    .command('delete')
    .description(
      'Delete a site with its keys, touchpoints and everything derived, for good; its number is never given again',
    )
    .argument('<site>', 'its number', siteId)
    .option('--yes', 'yes, for good')
    .option('--json', 'print the result as one JSON line')
    .action(async (id: number, options: { yes?: boolean; json?: boolean }) => {
      const noSuchSite = () => new Refusal(`there is no site ${id}; milepost site list shows them.`);
      const deleted = await withDatabase(async (pool) => {
        if (!options.yes) {
          const known = (await listSites(pool)).find(({ site_id: siteId }) => siteId === id);
          if (!known) throw noSuchSite();
          throw new Refusal(
            `this would delete site ${id}, “${String(known['name'])}”, with everything in it, for good; say --yes if that is meant.`,
          );
        }
        return deleteSite(pool, id);
      });
      if (!deleted) throw noSuchSite();
      printOne({ site_id: id, name: deleted.name, deleted_rows: deleted.rows }, options);
    });

  site
    .command('rotate-secret')
    .description(
      'Make a new identity secret, shown this once; proofs by the earlier ones hold a while longer',
    )
    .argument('<site>', 'its number', siteId)
    .option('--overlap <time>', "how long the earlier ones hold, as '7 days'", duration, '24 hours')
    .option('--json', 'print the result as one JSON line')
    .addHelpText('after', "\nA secret that others may know ends at once with --overlap '0 seconds'.")
    .action(async (id: number, { overlap, ...options }: { overlap: string; json?: boolean }) => {
      const made = await withDatabase((pool) => renewIdentitySecret(pool, { siteId: id, overlap }));
      printOne(
        { site_id: id, identity_secret: made.secret, earlier_hold_until: made.earlierHoldUntil },
        options,
      );
    });
}

function withSettings(command: Command): Command {
  for (const [name, flags] of optionsBySetting()) {
    const { description, form } = settingOf(name);
    const isList = Array.isArray(form.schema.parse(settingOf(name).default));
    if (isList) command.option(flags, `${description}; repeat for more`, collect);
    else command.option(flags, description);
  }
  return command.option(
    '--set <name=value>',
    'any setting, as --set engaged_after="15 seconds"; repeat for more (milepost site settings lists them)',
    collect,
  );
}

function optionsBySetting(): [SettingName, string][] {
  return Object.entries(settingOptions).filter(([name]) => isSettingName(name)) as [SettingName, string][];
}

function settingsOf(options: Options): SiteSettings {
  const settings: Record<string, unknown> = {};
  for (const [name, flags] of optionsBySetting()) {
    const value = options[new Option(flags).attributeName()];
    if (value !== undefined) settings[name] = value;
  }
  const set = settingsOfArguments(options.set ?? []);
  for (const name of Object.keys(set)) {
    if (name in settings) throw new Refusal(`${name} is given twice, by --set and by an option of its own.`);
  }
  return {
    ...readSettings(settings),
    ...set,
    ...(options.name !== undefined && { name: options.name }),
  };
}
