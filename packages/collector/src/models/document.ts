import { z } from 'zod';

// The shape of a journey model's document. What its parts mean together is checked by check.ts.

const word = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,49}$/, 'is no name: small letters, digits and _, beginning with a letter');
const comparable = z.union([z.string(), z.number(), z.boolean()]);
const property = z.string().min(1).describe('A property of the touchpoint.');

/** A condition on the properties of a touchpoint. */
export type Condition =
  | { all: Condition[] }
  | { any: Condition[] }
  | { not: Condition }
  | { property: string; equals: string | number | boolean }
  | { property: string; in: (string | number | boolean)[] }
  | { property: string; exists: boolean }
  | {
      property: string;
      at_least?: number | undefined;
      at_most?: number | undefined;
      share_of?: string | undefined;
      default?: number | undefined;
    };

/** The condition of a rule or a goal. */
export const conditionSchema: z.ZodType<Condition> = z
  .lazy(() =>
    z.union([
      z.strictObject({ all: z.array(conditionSchema).min(1) }),
      z.strictObject({ any: z.array(conditionSchema).min(1) }),
      z.strictObject({ not: conditionSchema }),
      z.strictObject({ property, equals: comparable }),
      z.strictObject({ property, in: z.array(comparable).min(1) }),
      z.strictObject({ property, exists: z.boolean() }),
      z.strictObject({
        property,
        at_least: z.number().optional(),
        at_most: z.number().optional(),
        share_of: z.string().min(1).optional().describe('Compare the share of this property instead.'),
        default: z.number().positive().optional().describe('The value of share_of where it is missing.'),
      }),
    ]),
  )
  .meta({ id: 'Condition', description: 'A condition on the properties of a touchpoint.' });

/** A journey model as people write it: a finite automaton. */
export const modelSchema = z
  .strictObject({
    $schema: z.string().optional(),
    name: word.describe('What the model is called.'),
    version: z.number().int().positive().optional().describe('Of shipped models; a site counts its own.'),
    description: z.string().optional(),
    stages: z.array(word).min(1).max(30).describe('The stages, from the first to the furthest.'),
    states: z
      .array(z.strictObject({ state: word, stage: word }))
      .min(1)
      .max(99)
      .describe('The states of the automaton, each within a stage.'),
    signals: z
      .array(word)
      .min(1)
      .max(99)
      .describe('What touchpoints can say. The first is said by every touchpoint that no rule speaks of.'),
    returning: z
      .array(word)
      .default([])
      .describe('Signals that become the signal `return` after the session gap.'),
    rules: z
      .array(
        z.strictObject({
          rule: word,
          signal: word.nullable().describe('null: no signal, no sign of life.'),
          events: z.array(z.string().min(1).max(200)).min(1),
          when: conditionSchema.optional(),
        }),
      )
      .describe('Which event says what. The first rule of the event whose condition holds counts.'),
    transitions: z
      .record(z.string(), z.record(z.string(), z.string()))
      .describe('state → signal → state; `nobody` is where all begin; a target with * begins a new journey.'),
    timers: z
      .array(
        z.strictObject({
          name: word,
          state: word,
          after_hours: z.number().positive().max(87_600).describe('Since the last signal.'),
          to: word,
        }),
      )
      .default([])
      .describe('Where a person goes who gives no signal.'),
  })
  .meta({ id: 'JourneyModel', description: 'A journey model of Milepost.' });

/** A journey model that has the right shape. */
export type ModelDocument = z.infer<typeof modelSchema>;

/** The JSON Schema of a model's document, for editors. */
export function modelJsonSchema(): object {
  return z.toJSONSchema(modelSchema, { io: 'input' });
}
