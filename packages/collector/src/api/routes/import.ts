import { createReadStream, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OpenAPIV3, OpenAPIV3_1 } from 'openapi-types';
import type { Pool } from 'pg';
import { z } from 'zod';
import { lowDiskOf } from '../../buffer/disk.ts';
import type { ImportOptions, ImportSummary } from '../../import/import.ts';
import { type Mapping, parseMapping, withArguments } from '../../import/mapping.ts';
import type { Reject } from '../../import/rejects.ts';
import { wallClockReader } from '../../import/time-zone.ts';
import { openUploadFolder } from '../../import/upload/folder.ts';
import type { Outcome } from '../../import/upload/messages.ts';
import { runImport } from '../../import/upload/run.ts';
import { spool, type SpoolOptions } from '../../import/upload/spool.ts';
import { waitPatiently } from '../../plugins/errors.ts';
import { Problem, problemForNow, type ProblemType } from '../../problems.ts';
import { Refusal } from '../../refusal.ts';
import { problemResponses } from '../problem-schema.ts';
import { type ApiInstance, type ApiOptions, queryOf } from '../route.ts';

// Each is a process with some hundred megabytes, and PostgreSQL stores no more lines by more of them.
const mostAtOnce = 2;
const stallMs = 30_000;
const leastFreeBytes = 256 * 1024 * 1024;
const mostRejectsTold = 1_000;

const query = queryOf({
  format: z.enum(['ndjson', 'csv']).optional(),
  delimiter: z.string().length(1).optional(),
  time_zone: z.string().max(100).optional(),
  map: z.union([z.string(), z.array(z.string())]).optional(),
  name: z.string().max(200).optional(),
});

/** Past and offline touchpoints come in: `POST /v1/import`. */
export async function importRoutes(
  app: ApiInstance,
  { pool, importFolder, importLimitBytes }: ApiOptions,
): Promise<void> {
  let folder: { path: string; isDiskLow: () => boolean } | undefined;
  const closing = new AbortController();
  let underWay = 0;
  app.addHook('preClose', async () => closing.abort());
  app.addHook('onClose', async () => {
    if (folder !== undefined) await rm(folder.path, { recursive: true, force: true });
  });

  await app.register(async (routes) => {
    // The body goes to the disk as it comes; what it is, its label and the query say.
    routes.removeAllContentTypeParsers();
    routes.addContentTypeParser('*', (_request, body, done) => done(null, body));
    routes.route({
      method: 'POST',
      url: '/v1/import',
      config: { scope: 'write:import' },
      schema: { hide: true, querystring: query },
      handler: async (request, reply) => {
        const { siteId } = request.access;
        const given = optionsOf(request, request.query as z.infer<typeof query>);
        if (underWay >= mostAtOnce) {
          throw problemForNow('rate-limited', `${mostAtOnce} imports are under way here: wait for them.`, 30);
        }
        underWay += 1;
        const startedAt = performance.now();
        const stop = stopWith(closing.signal, reply);
        folder ??= openFolder(importFolder);
        const place = mkdtempSync(join(folder.path, 'import-'));
        try {
          const file = await receive(request, {
            path: join(place, 'body'),
            maxBytes: importLimitBytes,
            stallMs,
            isDiskLow: folder.isDiskLow,
          });
          const rejectsFile = join(place, 'rejects.ndjson');
          const options = { ...given, file, siteId, rejectsFile };
          const outcome = await runImport({ databaseUrl: urlOf(pool), options }, stop.signal);
          if (closing.signal.aborted) {
            throw problemForNow('shutting-down', 'Send the same again in a moment: it goes on there.', 5);
          }
          const summary = summaryIn(outcome, (err) =>
            request.log.error({ err, req: request }, 'import failed'),
          );
          const seconds = Math.round(performance.now() - startedAt) / 1_000;
          const { stored, duplicates, rejected } = summary;
          request.log.info({ req: request, siteId, stored, duplicates, rejected, seconds }, 'imported');
          return await answerOf(summary, rejectsFile);
        } finally {
          underWay -= 1;
          stop.end();
          await rm(place, { recursive: true, force: true });
        }
      },
    });
  });
}

function openFolder(parent: string): { path: string; isDiskLow: () => boolean } {
  const path = openUploadFolder(parent);
  return { path, isDiskLow: lowDiskOf(path, leastFreeBytes) };
}

async function receive(request: FastifyRequest, options: SpoolOptions): Promise<string> {
  const end = waitPatiently(request.raw.socket);
  try {
    return await spool(request.body as Readable, options);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem('malformed-request', 'The body ended before its end. Nothing of it was stored.');
  } finally {
    end();
  }
}

/** Aborts when the process is told to end, and when nobody waits for the answer any more. */
function stopWith(closing: AbortSignal, reply: FastifyReply): { signal: AbortSignal; end: () => void } {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  reply.raw.once('close', onClose);
  return {
    signal: AbortSignal.any([closing, gone.signal]),
    end: () => reply.raw.off('close', onClose),
  };
}

/** The pool's own database; a pool keeps what it was opened with. */
function urlOf(pool: Pool): string {
  const { connectionString } = pool.options;
  if (connectionString === undefined) throw new Error('a pool without its address');
  return connectionString;
}

/** How the body is to be read; throws the problem that names the parameter. */
function optionsOf(
  { headers }: FastifyRequest,
  given: z.infer<typeof query>,
): Omit<ImportOptions, 'file' | 'siteId' | 'rejectsFile'> {
  const label = headers['content-type'] ?? '';
  const isTabbed = /\btab-separated-values\b/i.test(label);
  const isCsv = isTabbed || /\bcsv\b/i.test(label);
  try {
    const mapping = mappingOf([given.map ?? []].flat());
    const timeZone = given.time_zone ?? mapping?.timeZone ?? 'UTC';
    wallClockReader(timeZone);
    return {
      title: given.name ?? 'the body',
      format: given.format ?? (isCsv ? 'csv' : 'ndjson'),
      delimiter: given.delimiter ?? (isTabbed ? '\t' : ','),
      mapping,
      timeZone,
    };
  } catch (error) {
    if (error instanceof Refusal) throw new Problem('invalid-import', sentence(error.message));
    throw error;
  }
}

/** A text in braces is a whole mapping; the others are put over it. */
function mappingOf(texts: readonly string[]): Mapping | null {
  const whole = texts.filter((text) => text.startsWith('{'));
  let mapping: Mapping | null = null;
  for (const text of whole) mapping = parseMapping(text, 'map');
  return withArguments(
    mapping,
    texts.filter((text) => !text.startsWith('{')),
  );
}

function summaryIn(outcome: Outcome, onFailure: (error: unknown) => void): ImportSummary {
  if (outcome.kind === 'done') return outcome.summary;
  if (outcome.kind === 'refused') throw new Problem('invalid-import', sentence(outcome.message));
  if (outcome.kind === 'unpacking-failed') {
    throw new Problem('malformed-gzip', 'The body begins like gzip but cannot be unpacked to its end.');
  }
  onFailure(outcome);
  throw problemForNow(
    'database-unavailable',
    'The import stopped. Send the same again: it goes on where it was, and stores nothing twice.',
    10,
  );
}

async function answerOf(summary: ImportSummary, rejectsFile: string) {
  const { stored, duplicates, rejected, resumedAfterLine } = summary;
  const rejects: Pick<Reject, 'line' | 'reason' | 'detail'>[] = [];
  if (rejected > 0) {
    const lines = createInterface({ input: createReadStream(rejectsFile), crlfDelay: Infinity });
    for await (const line of lines) {
      const { line: number, reason, detail } = JSON.parse(line) as Reject;
      rejects.push({ line: number, reason, detail });
      if (rejects.length === mostRejectsTold) break;
    }
  }
  return { stored, duplicates, rejected, resumed_after_line: resumedAfterLine, rejects };
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const problems: ProblemType[] = [
  'invalid-import',
  'invalid-query',
  'malformed-gzip',
  'malformed-request',
  'missing-key',
  'unknown-key',
  'secret-key-required',
  'secret-key-exposed',
  'missing-scope',
  'body-too-large',
  'request-timeout',
  'rate-limited',
  'buffer-full',
  'keys-unavailable',
  'database-unavailable',
  'shutting-down',
];

const number = (description: string) => ({ type: 'integer' as const, description });
const parameter = (name: string, description: string, schema: OpenAPIV3.SchemaObject) => ({
  name,
  in: 'query',
  description,
  schema,
});
const line =
  '{"name":"purchase","user_id":"ada","occurred_at":"2026-11-02T10:15:00Z","properties":{"transaction_id":"T-1","value":49.9,"currency":"EUR"}}\n';

/** `POST /v1/import` for OpenAPI, described by hand because its body is a stream of lines. */
export const importPaths: OpenAPIV3_1.PathsObject = {
  '/v1/import': {
    post: {
      operationId: 'importTouchpoints',
      tags: ['Ingestion'],
      summary: 'Import past and offline touchpoints',
      description:
        'Lines of NDJSON (one touchpoint each) or CSV, of any number; gzip is welcome, told by the bytes themselves. They are trusted, may be of any age, keep their own time and arm no trigger. Each line is judged alone; the answer comes when all are stored. The same body sent again stores nothing twice, and goes on where it was if it was interrupted.\n\nScope: `write:import`.',
      security: [{ secretKey: [] }],
      parameters: [
        parameter('format', 'Default: CSV where the content type says so, else NDJSON.', {
          type: 'string',
          enum: ['ndjson', 'csv'],
        }),
        parameter('map', '`field=column`, `field:=constant`, or a whole mapping in JSON. May come again.', {
          type: 'array',
          items: { type: 'string' },
        }),
        parameter('time_zone', 'Of times that name none (IANA). Default: the mapping’s, else UTC.', {
          type: 'string',
        }),
        parameter('delimiter', 'Between the cells of CSV. Default: comma; tab for tab-separated values.', {
          type: 'string',
        }),
        parameter('name', 'What the import is called in `store.imports` and in messages.', {
          type: 'string',
        }),
      ],
      requestBody: {
        required: true,
        content: {
          'application/x-ndjson': { schema: { type: 'string' }, example: line },
          'text/csv': {
            schema: { type: 'string' },
            example: 'name,user_id,occurred_at\nstore_visit,ada,2026-11-02 10:15\n',
          },
        },
      },
      responses: {
        200: {
          description: 'What became of the lines.',
          content: {
            'application/json': {
              schema: {
                type: 'object',
                properties: {
                  stored: number('Lines stored.'),
                  duplicates: number('Lines that were stored before.'),
                  rejected: number('Lines that were not stored.'),
                  resumed_after_line: number('Where an earlier, interrupted call had come; 0 for none.'),
                  rejects: {
                    type: 'array',
                    description: `Why, of the first ${mostRejectsTold} lines that this call rejected; all are in \`journey.rejected_events\`.`,
                    items: {
                      type: 'object',
                      properties: {
                        line: number('Counted from 1, the header of CSV among them.'),
                        reason: { type: 'string' },
                        detail: { type: 'string', description: 'A JSON pointer and what is wrong there.' },
                      },
                      required: ['line', 'reason', 'detail'],
                    },
                  },
                },
                required: ['stored', 'duplicates', 'rejected', 'resumed_after_line', 'rejects'],
              },
              example: {
                stored: 1,
                duplicates: 0,
                rejected: 1,
                resumed_after_line: 0,
                rejects: [{ line: 2, reason: 'bad_time', detail: '/occurred_at: no readable time' }],
              },
            },
          },
        },
        ...problemResponses(problems),
      },
    },
  },
};
