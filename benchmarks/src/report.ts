import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { load, machine } from './machine.ts';

/** One figure, the limit measured in the same run, and how it compares with what was promised. */
export type Result = {
  name: string;
  figure: number;
  unit: string;
  /** The limit and the figure's share of it. */
  limit?: { what: string; figure: number };
  ratio?: number;
  /** What was promised of the ratio, or of the figure where there is none. */
  bar: { at_least: number } | { below: number } | { at_most: number };
  /** All that explains the figure. */
  details: Record<string, unknown>;
};

/** Whether a result keeps its promise. */
export function isMet({ figure, ratio, bar }: Result): boolean {
  const value = ratio ?? figure;
  if ('at_least' in bar) return value >= bar.at_least;
  return 'at_most' in bar ? value <= bar.at_most : value < bar.below;
}

/** Gathers results: one JSON line each on standard output, a sentence on standard error, all in one file. */
export class Report {
  readonly #startedAt = new Date();
  readonly #results: object[] = [];
  readonly #isQuick: boolean;

  constructor({ isQuick }: { isQuick: boolean }) {
    this.#isQuick = isQuick;
  }

  add(result: Result): void {
    const line = { ...rounded(result), is_met: isMet(result), is_quick: this.#isQuick, load_average: load() };
    this.#results.push(line);
    process.stdout.write(`${JSON.stringify(line)}\n`);
    process.stderr.write(`${sentence(result)}\n`);
  }

  /** Writes everything to benchmarks/results/<date>.json; a quick run is not kept. Returns the file's name. */
  save(): string | null {
    if (this.#isQuick) return null;
    const folder = fileURLToPath(new URL('../results/', import.meta.url));
    mkdirSync(folder, { recursive: true });
    const name = `${this.#startedAt.toISOString().slice(0, 16).replace(':', '')}.json`;
    const file = { date: this.#startedAt.toISOString(), machine: machine(), results: this.#results };
    writeFileSync(`${folder}${name}`, `${JSON.stringify(file, null, 2)}\n`);
    return `benchmarks/results/${name}`;
  }
}

/** Says on standard error what is being done. */
export function say(text: string): void {
  process.stderr.write(`… ${text}\n`);
}

function sentence(result: Result): string {
  const { name, figure, unit, limit, ratio, bar } = result;
  const isShare = 'at_least' in bar;
  const told = (value: number) => (isShare ? `${percent(value)} of` : `${round(value)} times`);
  const share = limit && ratio !== undefined ? `, ${told(ratio)} ${limit.what} (${round(limit.figure)})` : '';
  const of = ratio === undefined ? ` ${unit}` : ' times';
  const wished = isShare
    ? `at least ${ratio === undefined ? `${bar.at_least} ${unit}` : percent(bar.at_least)}`
    : 'at_most' in bar
      ? `at most ${bar.at_most}${of}`
      : `below ${bar.below}${of}`;
  return `${isMet(result) ? '✓' : '✗'} ${name}: ${round(figure)} ${unit}${share}; promised: ${wished}`;
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 1_000) / 10} %`;
}

function round(figure: number): number {
  return figure >= 100 ? Math.round(figure) : Math.round(figure * 1_000) / 1_000;
}

function rounded<Value>(value: Value): Value {
  return JSON.parse(
    JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'number' ? round(inner) : inner)),
  ) as Value;
}
