import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** What a command left behind. */
export type Ended = { code: number | null; stdout: string; stderr: string };

/** Runs `milepost <args>` as a process of its own, as a person would. */
export async function milepost(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return run(process.execPath, [main, ...args], { env: { PATH: process.env['PATH'], ...env } });
}

/** Runs a program to its end. */
export async function run(
  program: string,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Ended> {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ended.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ended.stderr += text));
  [ended.code] = (await once(child, 'close')) as [number | null];
  return ended;
}
