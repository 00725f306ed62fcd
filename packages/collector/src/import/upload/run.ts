import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Order, Outcome } from './messages.ts';

const entry = fileURLToPath(new URL('process.ts', import.meta.url));
/** Of the heap; what an import needs does not grow with the file. */
const heapMegabytes = 512;

/**
 * Carries an import out in a process of its own. When `signal` aborts it stops between two commits, and what it says is
 * not finished.
 */
export async function runImport(order: Order, signal: AbortSignal): Promise<Outcome> {
  const child = fork(entry, [], {
    execArgv: [`--max-old-space-size=${heapMegabytes}`],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  let outcome: Outcome | null = null;
  child.on('message', (message) => (outcome = message as Outcome));
  try {
    const ended = once(child, 'exit');
    child.send(order);
    const [code, killedBy] = (await ended) as [number | null, string | null];
    return (
      outcome ?? { kind: 'failed', code: null, message: `the import ended by itself (${killedBy ?? code})` }
    );
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
