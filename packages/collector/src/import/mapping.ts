import { touchpointSchema } from '@milepost/shared';
import { z } from 'zod';

import { Refusal } from '../refusal.ts';

const columnSchema = z.strictObject({
  column: z.string(),
  /** How the cell's text is read. Default `text`. */
  type: z.enum(['text', 'number', 'boolean', 'json', 'epoch_seconds']).default('text'),
  /** Replaces cells by other values; a cell that is not listed stays, or becomes `otherwise`. */
  values: z.record(z.string(), z.unknown()).optional(),
  otherwise: z.unknown().optional(),
});

const fieldSchema = z.union([z.string(), columnSchema, z.strictObject({ constant: z.unknown() })]);

const mappingSchema = z.strictObject({
  $comment: z.string().optional(),
  /** The zone of times that name none (IANA). `--time-zone` wins. */
  time_zone: z.string().optional(),
  fields: z.record(z.string(), fieldSchema),
});

/** Which column becomes which field of the touchpoint. */
export type Mapping = { timeZone: string | null; fields: ReadonlyMap<string, FieldSource> };
type FieldSource = z.infer<typeof columnSchema> | { constant: unknown };

/** One line of the file: values by column name, or by the number of the column (CSV). */
export type Cells = Readonly<Record<string, unknown>> | readonly string[];

const touchpointFields = new Set(Object.keys(touchpointSchema.shape));

/** Reads a mapping file's JSON; a `Refusal` names what is wrong in it. */
export function parseMapping(text: string, fileName: string): Mapping {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new Refusal(`${fileName} is not JSON.`, { cause });
  }
  const result = mappingSchema.safeParse(json);
  if (!result.success) {
    const lines = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Refusal(`${fileName} is no mapping: ${lines.join('; ')}.`);
  }
  const fields = Object.entries(result.data.fields).map(([field, source]): [string, FieldSource] => [
    checkedField(field),
    typeof source === 'string' ? { column: source, type: 'text' } : source,
  ]);
  return { timeZone: result.data.time_zone ?? null, fields: new Map(fields) };
}

/**
 * Reads `--map` arguments: `field=column` takes a column, `field:=value` a constant (JSON where it is JSON, else
 * text). They are put over `mapping`.
 */
export function withArguments(mapping: Mapping | null, texts: readonly string[]): Mapping | null {
  if (texts.length === 0) return mapping;
  const fields = new Map(mapping?.fields);
  for (const text of texts) {
    const match = /^([^=:]+?)(:?=)(.*)$/s.exec(text);
    const [, field, sign, value] = match ?? [];
    if (field === undefined || value === undefined) {
      throw new Refusal(`map ${text}: write field=column, field:=constant, or the name of a JSON file.`);
    }
    const source = sign === ':=' ? { constant: constantOf(value) } : { column: value, type: 'text' as const };
    fields.set(checkedField(field), source);
  }
  return { timeZone: mapping?.timeZone ?? null, fields };
}

/**
 * The mapping of a file that needs none: a column named like a field of the touchpoint (`user_id`,
 * `properties.value`) is that field, any other becomes a property.
 */
export function mappingByNames(columns: readonly string[]): Mapping {
  const fields = columns.map((column): [string, FieldSource] => {
    const field = touchpointFields.has(column.split('.')[0] ?? '') ? column : `properties.${column}`;
    const isObject = ['properties', 'traits', 'context', 'identities'].includes(field);
    return [field, { column, type: isObject ? 'json' : 'text' }];
  });
  return { timeZone: null, fields: new Map(fields) };
}

/** The columns a mapping reads. */
export function columnsOf(mapping: Mapping): string[] {
  return [...mapping.fields.values()].flatMap((source) => ('column' in source ? [source.column] : []));
}

/**
 * Compiles a mapping into the function that makes a touchpoint of a line. An empty cell leaves its field out.
 * `columns` is the header of a file whose lines are lists.
 */
export function mapper(
  mapping: Mapping,
  columns: readonly string[] | null = null,
): (cells: Cells) => Record<string, unknown> {
  const steps = [...mapping.fields].map(([field, source]) => ({
    path: field.split(/\.|\[(?=\d+\])|\]\.?/).filter((part) => part !== ''),
    read: reader(source, columns),
  }));
  return (cells) => {
    const touchpoint: Record<string, unknown> = {};
    for (const { path, read } of steps) {
      const value = read(cells);
      if (value !== undefined) put(touchpoint, path, value);
    }
    return touchpoint;
  };
}

function checkedField(field: string): string {
  const [first = ''] = field.split('.');
  if (touchpointFields.has(first)) return field;
  throw new Refusal(`a touchpoint has no field “${first}”; it has ${[...touchpointFields].join(', ')}.`);
}

function constantOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text; // a bare word is meant as text
  }
}

function reader(source: FieldSource, columns: readonly string[] | null): (cells: Cells) => unknown {
  if ('constant' in source) return () => source.constant;
  const { column, values, otherwise } = source;
  const place = columns === null ? column : columns.indexOf(column);
  const read = readers[source.type];
  return (cells) => {
    const cell = (cells as Readonly<Record<string | number, unknown>>)[place];
    if (cell === undefined || cell === null || cell === '') return undefined;
    if (values !== undefined) {
      const key = textOf(cell);
      if (Object.hasOwn(values, key)) return values[key] ?? undefined;
      if (otherwise !== undefined) return otherwise ?? undefined;
    }
    return read(cell);
  };
}

// What cannot be read as the type stays as it is: the judge then names the field and the reason.
const readers: Record<z.infer<typeof columnSchema>['type'], (cell: unknown) => unknown> = {
  text: (cell) => cell,
  number: (cell) => (Number.isFinite(Number(cell)) ? Number(cell) : cell),
  boolean: (cell) => {
    const text = textOf(cell).trim().toLowerCase();
    if (['true', 't', 'yes', 'y', '1'].includes(text)) return true;
    return ['false', 'f', 'no', 'n', '0'].includes(text) ? false : cell;
  },
  json: (cell) => {
    if (typeof cell !== 'string') return cell;
    try {
      return JSON.parse(cell) as unknown;
    } catch {
      return cell;
    }
  },
  epoch_seconds: (cell) => (Number.isFinite(Number(cell)) ? Math.round(Number(cell) * 1_000) : cell),
};

function textOf(cell: unknown): string {
  return typeof cell === 'string' ? cell : JSON.stringify(cell);
}

function put(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let place: Record<string, unknown> = target;
  for (let depth = 0; depth < path.length - 1; depth += 1) {
    const key = path[depth] ?? '';
    const existing = place[key];
    if (typeof existing === 'object' && existing !== null) {
      place = existing as Record<string, unknown>;
      continue;
    }
    const made: object = /^\d+$/.test(path[depth + 1] ?? '') ? [] : {};
    place[key] = made;
    place = made as Record<string, unknown>;
  }
  place[path.at(-1) ?? ''] = value;
}
