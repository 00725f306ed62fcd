import type pg from 'pg';
import { Refusal } from '../refusal.ts';
import { type ChannelRule, type ChannelsDocument, conditionNames, nameOf } from './document.ts';

/** A rule as it is tried: those of the site first, then the shipped ones. */
export type ListedRule = ChannelRule & { position: number; is_own: boolean };

type StoredRule = {
  site_id: number;
  position: number;
  channel: string;
  sources: string[] | null;
  source_pattern: string | null;
  mediums: string[] | null;
  medium_pattern: string | null;
  campaigns: string[] | null;
  campaign_pattern: string | null;
  category: ChannelRule['category'] | null;
  is_any: boolean;
};

// What the rules of a site leave, where the default ones are not to be tried.
const remainder = 'Unassigned';

/**
 * Gives a site its own channels in place of those it had. Refused with every pattern that PostgreSQL cannot read. New
 * sessions go by them at once, older ones once the site is derived again, which this asks for.
 */
export async function setChannels(
  pool: pg.Pool,
  { siteId, channels }: { siteId: number; channels: ChannelsDocument },
): Promise<void> {
  const problems = await patternProblems(pool, channels);
  if (problems.length > 0) throw refusalOf(problems);
  const rules: (ChannelRule | Pick<ChannelRule, 'channel' | 'match'>)[] = [...channels.rules];
  if (channels.default_rules === 'none') rules.push({ channel: remainder, match: 'all' });
  await replaceRules(pool, siteId, rules);
}

/** Takes a site's own channels away: the default ones remain. */
export async function resetChannels(pool: pg.Pool, siteId: number): Promise<void> {
  await replaceRules(pool, siteId, []);
}

async function replaceRules(
  pool: pg.Pool,
  siteId: number,
  rules: (Partial<ChannelRule> & Pick<ChannelRule, 'channel' | 'match'>)[],
): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    // Whoever derives reads the rules before or after, never half of them: one statement's snapshot sees one commit.
    const { rowCount } = await client.query('select from store.sites where site_id = $1 for update', [
      siteId,
    ]);
    if (rowCount === 0) throw noSite(siteId);
    await client.query('delete from store.channel_rules where site_id = $1', [siteId]);
    await client.query(
      `insert into store.channel_rules
         (site_id, position, channel, sources, source_pattern, mediums, medium_pattern, campaigns, campaign_pattern, source_category, is_any)
       select $1, rules.position, rules.channel, rules.sources, rules.source_pattern, rules.mediums, rules.medium_pattern,
         rules.campaigns, rules.campaign_pattern, rules.category, rules.is_any
       from jsonb_to_recordset($2) as rules (
         position smallint, channel text, sources text[], source_pattern text, mediums text[], medium_pattern text,
         campaigns text[], campaign_pattern text, category text, is_any boolean
       )`,
      [
        siteId,
        JSON.stringify(
          rules.map(({ match, sources, mediums, campaigns, ...rule }, index) => ({
            ...rule,
            position: index + 1,
            is_any: match === 'any',
            sources: sources?.map(lower),
            mediums: mediums?.map(lower),
            campaigns: campaigns?.map(lower),
          })),
        ),
      ],
    );
    // As a setting of its own, so that a change during the work begins it anew, and the feed tells why.
    await client.query(
      `select store.ask_rederivation(sites.site_id, jsonb_build_object('channels_version',
         coalesce((rederivations.settings ->> 'channels_version')::integer, sites.channels_version) + 1))
       from store.sites
       left join store.rederivations on rederivations.site_id = sites.site_id
       where sites.site_id = $1`,
      [siteId],
    );
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first error is the one to tell
    throw error;
  } finally {
    client.release();
  }
}

/** Every rule that is tried for a site, in order. */
export async function listRules(pool: pg.Pool, siteId: number): Promise<ListedRule[]> {
  const { rowCount } = await pool.query('select from store.sites where site_id = $1', [siteId]);
  if (rowCount === 0) throw noSite(siteId);
  const { rows } = await pool.query<StoredRule>(
    `select site_id, position, channel, sources, source_pattern, mediums, medium_pattern, campaigns, campaign_pattern,
       source_category as category, is_any
     from store.channel_rules
     where site_id in (0, $1)
     order by site_id = 0, position`,
    [siteId],
  );
  const listed = rows.map(
    ({ site_id: owner, position, channel, is_any: isAny, ...conditions }): ListedRule => {
      const given = Object.fromEntries(
        conditionNames.flatMap((name) => (conditions[name] === null ? [] : [[name, conditions[name]]])),
      ) as Partial<ChannelRule>;
      return { position, is_own: owner !== 0, channel, ...given, match: isAny ? 'any' : 'all' };
    },
  );
  const last = listed.findIndex((rule) => rule.is_own && isRemainder(rule));
  return last === -1 ? listed : listed.slice(0, last + 1);
}

/** The document that `setChannels` would take to make what the site has now; null where it has no own rules. */
export async function channelsOf(pool: pg.Pool, siteId: number): Promise<ChannelsDocument | null> {
  const own = (await listRules(pool, siteId)).filter(({ is_own: isOwn }) => isOwn);
  if (own.length === 0) return null;
  return {
    default_rules: own.some(isRemainder) ? 'none' : 'after',
    rules: own
      .filter((rule) => !isRemainder(rule))
      .map(({ position: _position, is_own: _isOwn, ...rule }) => rule),
  };
}

function isRemainder(rule: ListedRule): boolean {
  return conditionNames.every((name) => rule[name] === undefined);
}

/** PostgreSQL is who has to read the patterns, so PostgreSQL is asked. */
async function patternProblems(pool: pg.Pool, { rules }: ChannelsDocument): Promise<string[]> {
  const problems: string[] = [];
  for (const [index, rule] of rules.entries()) {
    for (const name of ['source_pattern', 'medium_pattern', 'campaign_pattern'] as const) {
      const pattern = rule[name];
      if (pattern === undefined) continue;
      try {
        await pool.query(`select 'x' ~* $1`, [pattern]);
      } catch (error) {
        const { message } = error as Error;
        problems.push(
          `${nameOf({ rules }, index)}, ${name}: ${message.replace(/^invalid regular expression: /, '')}`,
        );
      }
    }
  }
  return problems;
}

/** The refusal that tells problems one to a line. */
export function refusalOf(problems: string[]): Refusal {
  return new Refusal(
    `these channels cannot be used:${problems.map((problem) => `\n  - ${problem}`).join('')}`,
  );
}

function noSite(siteId: number): Refusal {
  return new Refusal(`there is no site ${siteId}; milepost site list shows them.`);
}

function lower(text: string): string {
  return text.toLowerCase();
}
