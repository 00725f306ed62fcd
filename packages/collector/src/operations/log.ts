import { pino, type DestinationStream, type Logger } from 'pino';

/**
 * The process's log: one JSON line an event. Requests are written by route and id only: an address line may hold a
 * key or a person's token, a header may hold a key, and a client's address is personal data.
 */
export function createLog(level: string, destination: DestinationStream = pino.destination(1)): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: ['headers', '*.headers', 'connectionString', '*.connectionString'], remove: true },
    serializers: {
      req: (request: { id?: string; method?: string; routeOptions?: { url?: string } }) => ({
        id: request.id,
        method: request.method,
        route: request.routeOptions?.url ?? null,
      }),
      res: (reply: { statusCode?: number }) => ({ status: reply.statusCode }),
      err: errorOf,
    },
  };
  return pino(options, destination);
}

/** What of PostgreSQL's errors names the place, never the row: its details and contexts quote what visitors sent. */
const safe = ['type', 'message', 'stack', 'code', 'severity', 'table', 'constraint', 'routine'] as const;

// Data exception, integrity constraint violation: the very sentence quotes the value.
const quoting = /^2[23]/;

function errorOf(error: Error): Record<string, unknown> {
  const told: Record<string, unknown> = { ...pino.stdSerializers.err(error) };
  if (!('severity' in error && 'code' in error)) return told;
  const kept = Object.fromEntries(safe.flatMap((name) => (name in told ? [[name, told[name]]] : [])));
  if (!quoting.test(String(error.code))) return kept;
  const { message: _, stack, ...rest } = kept;
  const frames = String(stack)
    .split('\n')
    .filter((line) => /^\s+at /.test(line));
  return { ...rest, message: 'PostgreSQL refuses a value', stack: frames.join('\n') };
}
