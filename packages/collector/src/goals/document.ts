import { canonicalName } from '@milepost/shared';
import { z } from 'zod';
import { conditionProblem } from '../models/check.ts';
import { conditionSchema } from '../models/document.ts';

const name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,49}$/, 'is no name: small letters, digits and _, beginning with a letter');

/** What counts as a conversion at a site. */
export const goalSchema = z
  .strictObject({
    name: name.describe(
      'What the goal is called. `purchase` counts every order and takes nothing but `is_primary`.',
    ),
    event: z
      .string()
      .min(1)
      .max(200)
      .refine((event) => canonicalName(event) === event, {
        error: (issue) => `is stored as ${canonicalName(String(issue.input))}; write that`,
      })
      .describe(
        'Touchpoints of this name reach it. Of `purchase` and `subscription_started` the orders they tell of, each once.',
      ),
    when: conditionSchema
      .optional()
      .describe('A condition on its properties, in the language of journey models.'),
    value: z
      .union([
        z.strictObject({ property: z.string().min(1).max(200) }),
        z.strictObject({
          amount: z.number().min(0).max(1e12),
          currency: z.string().regex(/^[A-Z]{3}$/, 'is no ISO 4217 code'),
        }),
      ])
      .optional()
      .describe(
        'What a conversion is worth: a property, or a fixed amount. Left out it is the property `value`, else `revenue`; of an order its gross.',
      ),
    counting: z
      .enum(['every_time', 'once_per_session'])
      .default('every_time')
      .describe('Every time, or the first of each session; outside sessions each.'),
    is_primary: z
      .boolean()
      .optional()
      .describe('Whether it makes the rates. Default: true for `purchase`, false for others.'),
  })
  .meta({ id: 'Goal' });

/** A goal; `is_primary` may be left out. */
export type Goal = z.infer<typeof goalSchema>;

/** All goals of a site. */
export const goalsSchema = z
  .array(goalSchema)
  .max(100)
  .superRefine((goals, context) => {
    for (const [index, goal] of goals.entries()) {
      if (goals.findIndex((other) => other.name === goal.name) < index) {
        context.addIssue({ code: 'custom', path: [index, 'name'], message: 'stands twice; rename one' });
      }
      if (goal.name === 'purchase' && !isEveryOrder(goal)) {
        context.addIssue({
          code: 'custom',
          path: [index, 'name'],
          message:
            'counts every order as it is: its event is purchase, and it takes no when, value or counting; give a goal that does another name',
        });
      }
    }
  });

function isEveryOrder({ event, when, value, counting }: Goal): boolean {
  return event === 'purchase' && when === undefined && value === undefined && counting === 'every_time';
}

/** Goals, or the sentences that say what is wrong with them and what to do. */
export type Checked = { ok: true; goals: Goal[] } | { ok: false; problems: string[] };

/** Checks the goals of a site. Every problem names the goal it is about. */
export function checkGoals(document: unknown): Checked {
  const conditions = conditionProblems(document);
  if (conditions.length > 0) return { ok: false, problems: conditions };
  const parsed = goalsSchema.safeParse(document);
  if (parsed.success) return { ok: true, goals: parsed.data };
  return {
    ok: false,
    problems: parsed.error.issues.map(({ path: [index, ...rest], message }) => {
      if (typeof index !== 'number') return `the goals: ${message}; write a list of goals`;
      const where = nameOf((document as unknown[])[index], index);
      return `${[where, ...rest.map(String)].join(', ')}: ${message}`;
    }),
  };
}

function nameOf(goal: unknown, index: number): string {
  const name = isObject(goal) ? goal['name'] : undefined;
  return typeof name === 'string' ? `goal ${name}` : `goal number ${index + 1}`;
}

/** Conditions are looked at first and by hand: a union of shapes only says that none of them fits. */
function conditionProblems(document: unknown): string[] {
  if (!Array.isArray(document)) return [];
  return document.flatMap((goal: unknown, index) => {
    if (!isObject(goal) || goal['when'] === undefined) return [];
    const problem = conditionProblem(goal['when']);
    return problem === undefined ? [] : [`${nameOf(goal, index)}: ${problem}`];
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
