import { z } from 'zod';

/**
 * What a backup file is: a tar whose entries are, in this order, `manifest.json`, the rows of each table as pieces of one
 * zstd stream of COPY text (`tables/<name>/000001.zst` …), `rows.json`, and `SHA256SUMS` with its own sum. Only the last entry tells that
 * the file is whole.
 */
export const formatVersion = 1;

export const manifestName = 'manifest.json';
export const rowsName = 'rows.json';
export const sumsName = 'SHA256SUMS';
export const lastName = 'SHA256SUMS.sha256';

/** The name of a piece of a table. */
export function pieceName(table: string, number: number): string {
  return `tables/${table}/${String(number).padStart(6, '0')}.zst`;
}

/** The table that an entry is a piece of; undefined for the other entries. */
export function tableOf(entryName: string): string | undefined {
  return /^tables\/(?<table>[a-z0-9_]+)\/\d+\.zst$/.exec(entryName)?.groups?.['table'];
}

const table = z.object({
  name: z.string().regex(/^[a-z0-9_]+$/),
  columns: z.array(z.string()),
  /** Where it is a partition: its bound as PostgreSQL writes it. */
  partition: z.object({ of: z.string(), bound: z.string() }).optional(),
});

export const manifestSchema = z.object({
  format: z.literal('milepost backup'),
  version: z.number().int(),
  createdAt: z.iso.datetime(),
  postgres: z.string(),
  /** Whatever was acked before this instant by a collector that answered is in the backup. */
  ackedUntil: z.iso.datetime(),
  /** Collectors whose buffers may hold more. */
  behind: z.array(z.object({ collector: z.string(), ackedUntil: z.string(), isSilent: z.boolean() })),
  migrations: z.array(z.object({ number: z.number().int(), name: z.string(), checksum: z.string() })),
  tables: z.array(table),
  sequences: z.array(z.object({ name: z.string(), lastValue: z.string() })),
  /** Roles that may read, and the schema each reads. Their passwords are PostgreSQL's. */
  readers: z.array(z.object({ role: z.string(), schema: z.string() })),
});

/** What a backup says of itself. */
export type Manifest = z.infer<typeof manifestSchema>;
export type BackedUpTable = z.infer<typeof table>;

/** How many rows each table has. */
export const rowsSchema = z.record(z.string(), z.number().int());
