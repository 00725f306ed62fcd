import { InvalidArgumentError, type Command } from 'commander';
import { renewIdentitySecret } from '../database/identity-secrets.ts';
import { createSite, deleteSite, listSites, updateSite, type SiteSettings } from '../database/sites.ts';
import { rebuild } from '../derive/index.ts';
import { Refusal } from '../refusal.ts';
import { duration, hosts, networks, origins, siteId, yesOrNo } from './arguments.ts';
import { phaseProgress } from './phases.ts';
import { printOne, printRows, withDatabase } from './terminal.ts';

type Options = {
  json?: boolean;
  name?: string;
  timeZone?: string;
  currency?: string;
  origin?: string[];
  ownHost?: string[];
  excludedReferrer?: string[];
  internalNetwork?: string[];
  consentRequired?: boolean;
  sessionGap?: string;
  cartDelay?: string;
  checkoutDelay?: string;
  cartExpiry?: string;
  lapsedAfter?: string;
  triggerStep?: string[];
  browseDelay?: string;
  triggerCap?: string;
  changesKept?: string;
  rejectedKept?: string;
};

/** `milepost site create|list|update|delete|rotate-secret`. */
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
  return command
    .option(
      '--origin <origin>',
      'whose pages may send touchpoints; repeat for more, * for every origin',
      origins,
    )
    .option(
      '--own-host <host>',
      'a host of the site itself, with its subdomains never a referrer; repeat for more',
      hosts,
    )
    .option(
      '--excluded-referrer <host>',
      'another host that is no referrer, beside payment and sign-in hosts; repeat for more',
      hosts,
    )
    .option(
      '--internal-network <network>',
      "address or network of the site's own people, as 203.0.113.0/24: kept and flagged, counted nowhere; repeat for more",
      networks,
    )
    .option('--currency <code>', 'ISO 4217, as EUR', currency)
    .option('--time-zone <zone>', 'IANA name, as Europe/Berlin', timeZone)
    .option('--consent-required <yes|no>', 'reject touchpoints without analytics consent', yesOrNo)
    .option('--session-gap <time>', "idle time that ends a session, as '30 minutes'", duration)
    .option('--cart-delay <time>', 'idle time until a cart is abandoned', duration)
    .option('--checkout-delay <time>', 'the same once checkout has begun', duration)
    .option('--cart-expiry <time>', 'idle time until an abandoned cart expires', duration)
    .option('--lapsed-after <time>', 'time without a signal until a customer counts as lapsed', duration)
    .option(
      '--trigger-step <time>',
      "when a message about an abandoned cart is due, counted from the abandonment; repeat for more (default: '0 minutes' alone)",
      durations,
    )
    .option('--browse-delay <time>', 'time without a signal after a product seen', duration)
    .option('--trigger-cap <time>', 'least time between two first messages to a person', duration)
    .option('--changes-kept <time>', 'how long the change feed goes back', duration)
    .option('--rejected-kept <time>', 'how long rejected events are kept', duration);
}

function settingsOf(options: Options): SiteSettings {
  const settings = {
    name: options.name,
    allowed_origins: options.origin,
    own_hosts: options.ownHost,
    excluded_referrers: options.excludedReferrer,
    internal_networks: options.internalNetwork,
    currency: options.currency,
    time_zone: options.timeZone,
    consent_required: options.consentRequired,
    session_gap: options.sessionGap,
    cart_delay: options.cartDelay,
    checkout_delay: options.checkoutDelay,
    cart_expiry: options.cartExpiry,
    lapsed_after: options.lapsedAfter,
    trigger_steps: options.triggerStep,
    browse_delay: options.browseDelay,
    trigger_cap_window: options.triggerCap,
    changes_kept: options.changesKept,
    rejected_kept: options.rejectedKept,
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function durations(text: string, before: string[] = []): string[] {
  return [...before, duration(text)];
}

function currency(text: string): string {
  if (!/^[A-Z]{3}$/.test(text)) throw new InvalidArgumentError('A currency is three capitals, as EUR.');
  return text;
}

function timeZone(text: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone && text;
  } catch {
    throw new InvalidArgumentError('There is no such time zone; write it like Europe/Berlin.');
  }
}
