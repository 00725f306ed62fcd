import { z } from 'zod';

// The shape of a site's own channels, as people write them.

const text = z.string().trim().min(1).max(200);
const words = z.array(text).min(1).max(500);
const pattern = z
  .string()
  .min(1)
  .max(500)
  .refine((given) => !/\\[1-9]/.test(given), 'refers back to an earlier group, which is not supported');

/** The kinds of sources that Milepost's lists know. */
export const categories = ['search', 'shopping', 'social', 'video', 'assistant', 'mail'] as const;

const conditions = {
  sources: words.optional().describe('The source is one of these.'),
  source_pattern: pattern.optional().describe('The source matches this regular expression somewhere.'),
  mediums: words.optional().describe('The medium is one of these.'),
  medium_pattern: pattern.optional().describe('The medium matches this regular expression somewhere.'),
  campaigns: words.optional().describe('The campaign is one of these.'),
  campaign_pattern: pattern.optional().describe('The campaign matches this regular expression somewhere.'),
  category: z.enum(categories).optional().describe("What Milepost's lists of sources say of the source."),
};

/** The names of the conditions a rule may have. */
export const conditionNames = Object.keys(conditions) as (keyof typeof conditions)[];

const rule = z.strictObject({
  channel: text.max(100).describe('The channel of what fulfils the rule. Several rules may give the same.'),
  ...conditions,
  match: z.enum(['all', 'any']).default('all').describe('How many of the conditions have to hold.'),
});

/** A site's own channels: rules in order, the first that holds gives the channel. Case never counts. */
export const channelsSchema = z
  .strictObject({
    $schema: z.string().optional(),
    rules: z.array(rule).min(1).max(500),
    default_rules: z
      .enum(['after', 'none'])
      .default('after')
      .describe(
        "Whether Google's default channel group is tried after these, or what they leave is Unassigned.",
      ),
  })
  .meta({ id: 'Channels', description: 'The own channels of a site of Milepost.' });

export type ChannelsDocument = z.infer<typeof channelsSchema>;
export type ChannelRule = ChannelsDocument['rules'][number];

/** Checked channels, or the sentences that say what is wrong with them; each names the rule it is about. */
export type Checked = { ok: true; channels: ChannelsDocument } | { ok: false; problems: string[] };

/** Checks the document of a site's channels, all but whether PostgreSQL can read its patterns. */
export function checkChannels(document: unknown): Checked {
  const parsed = channelsSchema.safeParse(document);
  if (!parsed.success) {
    return {
      ok: false,
      problems: parsed.error.issues.map(({ path, message }) => {
        const [list, index] = path;
        const where =
          list === 'rules' && typeof index === 'number'
            ? [nameOf(document, index), ...path.slice(2).map(String)]
            : path.map(String);
        return `${where.join(', ') || 'the document'}: ${message}`;
      }),
    };
  }
  const problems = parsed.data.rules.flatMap((one, index) =>
    conditionNames.some((name) => one[name] !== undefined)
      ? []
      : [
          `${nameOf(document, index)}: it has no condition, so nothing would come to the rules after it; give it one of ${conditionNames.join(', ')}`,
        ],
  );
  return problems.length > 0 ? { ok: false, problems } : { ok: true, channels: parsed.data };
}

/** How a problem names a rule: by its place and its channel. */
export function nameOf(document: unknown, index: number): string {
  const rules = (document as { rules?: { channel?: unknown }[] } | null)?.rules;
  const channel = rules?.[index]?.channel;
  return typeof channel === 'string' ? `rule ${index + 1} (${channel})` : `rule ${index + 1}`;
}

/** The JSON Schema of the document, for editors. */
export function channelsJsonSchema(): object {
  return z.toJSONSchema(channelsSchema, { io: 'input' });
}
