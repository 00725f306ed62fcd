import type { Pool } from 'pg';
import { z } from 'zod';
import { listSites, updateSite } from '../../database/sites.ts';
import { Problem } from '../../problems.ts';
import { Refusal } from '../../refusal.ts';
import { settingNames, settingOf } from '../../settings/catalogue.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';
import { described, jsonAnswer, queryOf } from '../route.ts';

const setting = z.object({
  name: z.string(),
  value: z.string().describe('As it is written, like `30 minutes` or `shop.example, www.shop.example`.'),
  default: z.string(),
  next: z
    .string()
    .nullable()
    .describe(
      'What it will be once the site is derived again under it; null while nothing is being changed.',
    ),
  description: z.string(),
  allowed: z.string().describe('What it may be, as a sentence.'),
  read_by_derivation: z.boolean().describe('Whether a change is applied to the whole history.'),
});

const siteAnswer = z.object({
  site_id: z.int(),
  name: z.string(),
  settings: z.array(setting),
  being_derived_again: z
    .object({ phase: z.string(), done: z.int(), total: z.int() })
    .nullable()
    .describe('How far the site is with being derived under changed settings; null while it is not.'),
});

const siteChange = z.strictObject({
  name: z.string().trim().min(1).max(200).optional(),
  settings: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('By name, each as `GET /v1/site` shows it, or as JSON (a list, a boolean, a number).'),
});

/** The site of the key with every setting: `/v1/site`. */
export async function siteRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  app.route({
    method: 'GET',
    url: '/v1/site',
    config: { scope: 'read:settings' },
    schema: {
      ...described({
        operationId: 'getSite',
        tag: 'Settings',
        summary: 'The site and its settings',
        description: 'Every setting with its value, its default and what it means.',
        scope: 'read:settings',
      }),
      querystring: queryOf({}),
      response: { 200: jsonAnswer(siteAnswer, 'The site of the key.') },
    },
    handler: (request) => siteOf(pool, request.access.siteId),
  });

  app.route({
    method: 'PATCH',
    url: '/v1/site',
    config: { scope: 'write:settings' },
    attachValidation: true,
    schema: {
      ...described({
        operationId: 'patchSite',
        tag: 'Settings',
        summary: 'Change settings of the site',
        description:
          'What is not named stays. A setting that derivation reads applies to the whole history: the site is derived again, the old answers stay until it is done, and meanwhile the new value stands in `next`.',
        scope: 'write:settings',
        problems: ['invalid-settings', 'malformed-json', 'body-too-large'],
      }),
      querystring: queryOf({}),
      body: siteChange,
      response: { 200: jsonAnswer(siteAnswer, 'The site as it is now.') },
    },
    handler: async (request) => {
      if (request.validationError) {
        const [issue] = siteChange.safeParse(request.body).error?.issues ?? [];
        const place = issue?.path.join('.') || 'the body';
        throw new Problem(
          'invalid-settings',
          `Nothing was changed. ${place}: ${issue?.message ?? 'is wrong'}.`,
        );
      }
      const { name, settings = {} } = request.body;
      try {
        await updateSite(pool, request.access.siteId, { ...namedSettings(settings), ...(name && { name }) });
      } catch (error) {
        if (error instanceof Refusal)
          throw new Problem('invalid-settings', `Nothing was changed. ${error.message}`);
        throw error;
      }
      return siteOf(pool, request.access.siteId);
    },
  });
}

/** Refuses names that are no settings of the catalogue; the site's name and model are none. */
function namedSettings(settings: Record<string, unknown>): Record<string, unknown> {
  const unknown = Object.keys(settings).find((name) => !(settingNames as string[]).includes(name));
  if (unknown !== undefined)
    throw new Refusal(`There is no setting of that name; there are ${settingNames.join(', ')}.`);
  return settings;
}

type StoredSite = Record<string, unknown> & {
  name: string;
  being_derived_again: {
    settings: Record<string, unknown>;
    phase: string;
    done: number;
    total: number;
  } | null;
};

async function siteOf(pool: Pool, siteId: number): Promise<z.infer<typeof siteAnswer>> {
  const stored = (await listSites(pool)).find((site) => site['site_id'] === siteId) as StoredSite | undefined;
  if (!stored) throw new Problem('unknown-key', 'No site has this key.');
  const again = stored.being_derived_again;
  return {
    site_id: siteId,
    name: stored.name,
    settings: settingNames.map((name) => {
      const { form, description, default: standard, readByDerivation } = settingOf(name);
      const next = again?.settings[name];
      return {
        name,
        value: form.textOf(stored[name]),
        default: form.textOf(form.schema.parse(standard)),
        next: next === undefined ? null : form.textOf(next),
        description,
        allowed: form.allowed,
        read_by_derivation: readByDerivation,
      };
    }),
    being_derived_again: again && { phase: again.phase, done: again.done, total: again.total },
  };
}
