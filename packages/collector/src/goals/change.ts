import type pg from 'pg';
import { Refusal } from '../refusal.ts';
import type { Goal } from './document.ts';

/** The goals of a site, and those it is changing to while derivation is at work on that. */
export type SiteGoals = { goals: Goal[]; next: Goal[] | null };

/** What counts as a conversion at a site. */
export async function goalsOf(pool: pg.Pool, siteId: number): Promise<SiteGoals> {
  const { rows } = await pool.query<SiteGoals>(
    `select sites.goals, goal_changes.goals as next
     from store.sites
     left join store.goal_changes on goal_changes.site_id = sites.site_id
     where sites.site_id = $1`,
    [siteId],
  );
  if (!rows[0]) throw new Refusal(`there is no site ${siteId}; milepost site list shows them.`);
  return rows[0];
}

/**
 * Begins to give a site these goals in place of those it has. Conversions, rates and engaged sessions stay as they are
 * until derivation has found what reaches the new ones, then change all at once. Another change under way is forgotten.
 */
export async function changeGoals(pool: pg.Pool, siteId: number, goals: Goal[]): Promise<SiteGoals> {
  await goalsOf(pool, siteId);
  const whole = goals.map((goal) => ({ ...goal, is_primary: goal.is_primary ?? goal.name === 'purchase' }));
  await pool.query('select store.begin_goal_change($1, $2)', [siteId, JSON.stringify(whole)]);
  return goalsOf(pool, siteId);
}
