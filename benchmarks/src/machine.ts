import { readFileSync, readdirSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';

/** What a figure was measured on; no names and no paths. */
export function machine(): Record<string, string | number> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
  };
}

/** The load average of the last minute. */
export function load(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}

// Linux counts a process's time in ticks of 10 ms, whatever the kernel's own clock.
const microsecondsPerTick = 10_000;

type ProcessTimes = { parent: number; own: number; reaped: number };

/**
 * CPU time a process has used, in microseconds; with `children`, those that run and those that ended too (a
 * PostgreSQL server is many processes). Null where the system does not say (only Linux does).
 */
export function cpuMicroseconds(pid: number, { children }: { children: boolean }): number | null {
  const top = timesOf(pid);
  if (top === null) return null;
  if (!children) return top.own * microsecondsPerTick;
  let microseconds = (top.own + top.reaped) * microsecondsPerTick;
  for (const child of cpuMicrosecondsOfChildren(pid).values()) microseconds += child;
  return microseconds;
}

/** CPU time that each living child of a process has used, in microseconds by process id; empty elsewhere than on Linux. */
export function cpuMicrosecondsOfChildren(pid: number): Map<number, number> {
  const times = new Map<number, number>();
  if (timesOf(pid) === null) return times;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const child = timesOf(Number(name));
    if (child?.parent === pid) times.set(Number(name), (child.own + child.reaped) * microsecondsPerTick);
  }
  return times;
}

/** CPU time of a process's main thread, in microseconds; null where the system does not say. */
export function mainThreadMicroseconds(pid: number): number | null {
  const times = timesOf(`${pid}/task/${pid}`);
  return times === null ? null : times.own * microsecondsPerTick;
}

/** Resident memory of a process in MB; null where the system does not say. */
export function residentMegabytes(pid: number): number | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024);
  } catch {
    return null; // no such process, or no /proc
  }
}

function timesOf(pid: number | string): ProcessTimes | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null; // it has ended, or there is no /proc
  }
  // The name in parentheses may hold anything; the numbers follow it: state, parent, …, utime 14th of all.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const at = (position: number) => Number(fields[position - 3]);
  return { parent: at(4), own: at(14) + at(15), reaped: at(16) + at(17) };
}
