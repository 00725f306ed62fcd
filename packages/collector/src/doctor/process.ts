import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Config, readConfig } from '../config.ts';
import { Refusal } from '../refusal.ts';
import { type Finding, note, wrong } from './finding.ts';

// Below half of this a collector takes nothing any more.
const nearlyFullBytes = 256 * 1024 * 1024;

/** What the environment of a collector says, and the folder it names. */
export function environmentFindings(env: NodeJS.ProcessEnv): Finding[] {
  let config: Config;
  try {
    config = readConfig(env);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return [wrong('environment', error.message, 'docs/operating.md tells what each variable may be.')];
  }
  const findings: Finding[] = [];
  if (!isLoopback(config.host) && config.metricsToken === undefined) {
    findings.push(
      note(
        'metrics_token',
        `the collector listens on ${config.host}, and METRICS_TOKEN is not set: /metrics answers this machine alone.`,
        'Set METRICS_TOKEN to 16 characters or more, and give it to Prometheus as its bearer token.',
      ),
    );
  }
  if (config.roles.has('ingest') || config.roles.has('write')) findings.push(...bufferFindings(config));
  return findings;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** Whether the buffer's folder, or where it will be made, can be written and has room for what the buffer may take. */
function bufferFindings({ buffer, bufferLimitBytes }: Config): Finding[] {
  const folder = resolve(buffer.slice('lmdb:'.length));
  let there = folder;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  try {
    accessSync(there, constants.W_OK);
  } catch {
    return [
      wrong(
        'buffer_folder',
        `this user may not write to ${there}, where the buffer lies.`,
        `Give the folder to the user the collector runs as, or set BUFFER_URL to another.`,
      ),
    ];
  }
  const { bavail, bsize } = statfsSync(there);
  return diskFindings({ folder, freeBytes: bavail * bsize, limitBytes: bufferLimitBytes });
}

/** Whether a disk has room for what the buffer may take. */
export function diskFindings({
  folder,
  freeBytes,
  limitBytes,
}: {
  folder: string;
  freeBytes: number;
  limitBytes: number;
}): Finding[] {
  if (freeBytes >= limitBytes) return [];
  const mb = (bytes: number) => Math.floor(bytes / 1024 / 1024);
  const isFull = freeBytes < nearlyFullBytes;
  return [
    (isFull ? wrong : note)(
      'buffer_disk',
      `the disk of ${folder} has ${mb(freeBytes)} MB free, less than the ${mb(limitBytes)} MB that the buffer may take.`,
      'Make room, set BUFFER_URL to a larger disk, or lower BUFFER_LIMIT_MB.',
    ),
  ];
}
