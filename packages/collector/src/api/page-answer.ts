import { stringify } from 'csv-stringify/sync';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Page } from './page.ts';

const wrongLimit = { error: 'is not a whole number from 1 to 1000' };

/** `limit` and `cursor`, which every list takes. */
export const pageParameters = {
  limit: z.coerce
    .number(wrongLimit)
    .int(wrongLimit)
    .min(1, wrongLimit)
    .max(1000, wrongLimit)
    .default(100)
    .meta({ description: 'Rows a page, 1 to 1,000.', examples: [50] }),
  cursor: z.string().min(1).max(2000).optional().meta({
    description:
      'The `next_cursor` of the page before, with the same filters. Leave it out for the first page.',
  }),
};

/** `since` and `until`, for lists that have a time. `what` says which. */
export const timeParameters = (what: string) => ({
  since: instant.optional().meta({
    description: `Only rows with ${what} at or after this instant.`,
    examples: ['2026-01-01T00:00:00Z'],
  }),
  until: instant.optional().meta({
    description: `Only rows with ${what} before this instant.`,
    examples: ['2027-01-01T00:00:00Z'],
  }),
});

const instant = z.iso
  .datetime({
    offset: true,
    error: 'is not an instant like 2026-01-31T12:00:00Z (the + of an offset has to be written %2B)',
  })
  // JavaScript's own text of it: PostgreSQL refuses some of the offsets that ISO 8601 allows, and the year 0
  .transform((text) => new Date(text).toISOString())
  .refine((text) => /^(?!0000)\d{4}-/.test(text), { error: 'is not in the years 1 to 9999' });

/** A filter by a name. */
export const nameParameter = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .max(200)
    // PostgreSQL cannot hold NUL in text
    .refine((text) => !text.includes('\0'), { error: 'holds a NUL' })
    .optional()
    .meta({ description, examples: [example] });

/** `order`, for lists sorted by time. */
export const orderParameter = (what: string, first: 'newest' | 'oldest') =>
  z
    .enum(['newest', 'oldest'])
    .default(first)
    .meta({ description: `Sorted by ${what}: which end comes first.` });

/** The sort direction behind the parameter `order`. */
export const directionOf = (order: 'newest' | 'oldest') => (order === 'newest' ? 'desc' : 'asc');

/** The two forms of a list: JSON under its own name, and CSV. */
export function pageSchema<Name extends string, Row extends z.ZodObject>(
  name: Name,
  row: Row,
  description: string,
) {
  return {
    description,
    headers: {},
    content: {
      'application/json': {
        schema: z.object({
          [name]: z.array(row),
          next_cursor: z
            .string()
            .nullable()
            .meta({ description: 'Opens the next page; null on the last one.' }),
        }),
      },
      'text/csv': {
        schema: z.string().meta({
          description:
            'One line a row under a header line with the names of the JSON; nested values as JSON. A text that a spreadsheet would take for a formula begins with an apostrophe. The next page is in the `Link` header.',
        }),
      },
    },
  };
}

/** Answers a page in the form the request accepts, with a `Link` to the next one. */
export async function sendPage<Row extends object>(
  request: FastifyRequest,
  reply: FastifyReply,
  {
    name,
    row,
    page,
    beside = {},
  }: { name: string; row: z.ZodObject; page: Page<Row>; beside?: { has_more?: boolean } },
): Promise<FastifyReply> {
  void reply.header('vary', 'accept');
  if (beside.has_more !== false) linkNext(request, reply, page);
  if (!prefersCsv(request.headers.accept)) {
    return reply.send({ [name]: page.rows, next_cursor: page.nextCursor, ...beside });
  }
  return reply.type('text/csv; charset=utf-8').send(csvOf(page.rows, Object.keys(row.shape)));
}

/** Says in a `Link` header where the next page is, if there is one. */
export function linkNext(request: FastifyRequest, reply: FastifyReply, { nextCursor }: Page<object>): void {
  if (nextCursor === null) return;
  const next = new URL(request.url, 'http://localhost');
  next.searchParams.set('cursor', nextCursor);
  void reply.header('link', `<${next.pathname}${next.search}>; rel="next"`);
}

function csvOf(rows: object[], columns: string[]): string {
  return stringify(rows, {
    columns,
    header: true,
    record_delimiter: 'windows', // RFC 4180
    escape_formulas: true,
    cast: {
      boolean: String,
      object: (value) => JSON.stringify(value),
    },
  });
}

/** Whether an `Accept` header wants CSV at least as much as JSON. Absent, or anything at all: JSON. */
export function prefersCsv(accept = ''): boolean {
  const weightOf = (type: string) => {
    const range = accept
      .toLowerCase()
      .split(',')
      .map((part) => part.trim().split(/\s*;\s*/))
      .find(([name]) => name === type);
    if (range === undefined) return 0;
    const weight = range.find((parameter) => parameter.startsWith('q='));
    return weight === undefined ? 1 : Number(weight.slice(2)) || 0;
  };
  const csv = weightOf('text/csv');
  return csv > 0 && csv >= weightOf('application/json');
}
