import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What `.milepost/demo.json` tells: where the demo runs and the keys of its site. */
export type DemoState = {
  url: string;
  site_id: number;
  write_key: string;
  secret_key: string;
  /** Proves user ids (docs/personalising.md). */
  identity_secret: string;
  database_url: string;
};

/** Reads what an earlier start left. */
export function readState(folder: string): Partial<DemoState> {
  const file = join(folder, 'demo.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<DemoState>) : {};
}

/** Writes it for this user's eyes only; whole or not at all, since others read it while we start. */
export function writeState(folder: string, state: DemoState): void {
  const unfinished = join(folder, `demo.json.${process.pid}`);
  writeFileSync(unfinished, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, join(folder, 'demo.json'));
}
