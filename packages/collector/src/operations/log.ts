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
      err: pino.stdSerializers.err,
    },
  };
  return pino(options, destination);
}
