import type { ImportOptions, ImportSummary } from '../import.ts';

/** What the process of an import is told. It comes as a message: arguments and environments can be read by others. */
export type Order = { databaseUrl: string; options: Omit<ImportOptions, 'signal' | 'onProgress'> };

/** What it says in the end. */
export type Outcome =
  | { kind: 'done'; summary: ImportSummary }
  /** The body cannot be imported as it is; the message is for whoever sent it. */
  | { kind: 'refused'; message: string }
  | { kind: 'unpacking-failed' }
  | { kind: 'failed'; code: string | null; message: string };
