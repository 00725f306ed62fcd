import type { Pool } from 'pg';
import type { z } from 'zod';
import type { Access } from './access.ts';
import type { List } from './page.ts';
import { queryRows } from './rows.ts';
import type { accountSchema } from './schemas.ts';

/** One account without its members. */
export type Account = z.infer<typeof accountSchema>;

const columns = `accounts.account_id, accounts.stage, accounts.member_count, accounts.members_by_stage, accounts.traits,
  accounts.first_seen_at, accounts.last_seen_at, accounts.order_count, accounts.net_revenue, accounts.currency`;

/** The accounts of a site by their ids: an account keeps its place whatever becomes of it. */
export const accountList: List = {
  name: 'accounts',
  columns,
  from: 'journey.accounts',
  siteColumn: 'accounts.site_id',
  key: [{ column: 'accounts.account_id', type: 'text' }],
};

/** Memberships of persons in accounts. */
export const accountMemberList: List = {
  name: 'account members',
  columns: `account_members.person_id, account_members.user_id, account_members.role, account_members.stage,
    account_members.furthest_stage, account_members.valid_from, account_members.valid_to, account_members.order_count,
    account_members.net_revenue`,
  from: 'journey.account_members',
  siteColumn: 'account_members.site_id',
  key: [
    { column: 'account_members.person_id', type: 'uuid' },
    { column: 'account_members.membership_id', type: 'uuid' },
  ],
};

/** The account with this id, or undefined. */
export async function accountById(
  pool: Pool,
  { siteId }: Access,
  accountId: string,
): Promise<Account | undefined> {
  const rows = await queryRows<Account>(pool, {
    name: 'api-account',
    text: `select ${columns} from journey.accounts where accounts.site_id = $1 and accounts.account_id = $2`,
    values: [siteId, accountId],
  });
  return rows[0];
}
