import { z } from 'zod';
import { Problem } from '../../problems.ts';
import { accountById, accountList, accountMemberList } from '../accounts.ts';
import { filtersOf, pageOf } from '../page.ts';
import { linkNext, nameParameter, pageParameters, pageSchema, sendPage } from '../page-answer.ts';
import { described, jsonAnswer, queryOf } from '../route.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';
import { accountSchema, accountWithMembersSchema } from '../schemas.ts';
import type { accountMemberSchema } from '../schemas.ts';

const noSuchAccount = () =>
  new Problem('unknown-account', 'Nothing was seen of such an account on this site, or not yet.');

/** Accounts: all of them, and one with its members. */
export async function accountRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  const list = described({
    operationId: 'listAccounts',
    tag: 'Accounts',
    summary: 'Accounts',
    description:
      'The organisations that persons belong to, sorted by `account_id`, each with the furthest stage that a present member holds now.',
    scope: 'read:persons',
    problems: ['invalid-cursor'],
  });
  app.route({
    method: 'GET',
    url: '/v1/accounts',
    config: { scope: 'read:persons' },
    schema: {
      ...list,
      querystring: queryOf({
        stage: nameParameter('Only accounts that stand in this stage.', 'decision'),
        ...pageParameters,
      }),
      response: { 200: pageSchema('accounts', accountSchema, 'One page of accounts.') },
    },
    handler: async (request, reply) => {
      const { stage, limit, cursor } = request.query;
      const page = await pageOf({ pool, access: request.access }, accountList, {
        filters: filtersOf({ 'accounts.stage = ?': stage }),
        direction: 'asc',
        limit,
        cursor,
      });
      return sendPage(request, reply, { name: 'accounts', row: accountSchema, page });
    },
  });

  const one = described({
    operationId: 'readAccount',
    tag: 'Accounts',
    summary: 'One account with its members',
    description:
      'An account with its members, their roles and stages, sorted by `person_id`. The members come in pages: with `cursor` the answer is the same account with the next of them.',
    scope: 'read:persons',
    problems: ['unknown-account', 'invalid-cursor'],
  });
  app.route({
    method: 'GET',
    url: '/v1/accounts/:id',
    config: { scope: 'read:persons' },
    schema: {
      ...one,
      params: z.object({
        id: z.string().meta({ description: 'The site’s own id of the account.', examples: ['acme'] }),
      }),
      querystring: queryOf({
        members: z
          .enum(['present', 'all'])
          .default('present')
          .meta({ description: 'Whether those who have left are listed too.' }),
        ...pageParameters,
      }),
      response: { 200: jsonAnswer(accountWithMembersSchema, 'The account, and one page of its members.') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const { members, limit, cursor } = request.query;
      // PostgreSQL cannot hold NUL in text, so no account has one
      if (id.includes('\0')) throw noSuchAccount();
      const page = await pageOf<z.infer<typeof accountMemberSchema>>(
        { pool, access: request.access },
        accountMemberList,
        {
          filters: filtersOf({
            'account_members.account_id = ?': id,
            '(account_members.valid_to is null) = ?': members === 'present' ? true : undefined,
          }),
          direction: 'asc',
          limit,
          cursor,
        },
      );
      const account = await accountById(pool, request.access, id);
      if (account === undefined) throw noSuchAccount();
      linkNext(request, reply, page);
      return { ...account, members: page.rows, next_cursor: page.nextCursor };
    },
  });
}
