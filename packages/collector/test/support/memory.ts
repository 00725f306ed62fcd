import { readFileSync } from 'node:fs';

/** Resident memory of a process in MB; 0 where the system does not say. */
export function residentMegabytes(pid: number): number {
  try {
    return Math.round(
      Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024,
    );
  } catch {
    return 0;
  }
}
