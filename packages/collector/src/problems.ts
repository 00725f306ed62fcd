/**
 * The closed list of what the collector answers instead of doing the work. `docs/problems.md` has one heading for
 * each. A title is the same every time; what is special to the case goes into `detail`.
 */
const problems = {
  // the body
  'malformed-json': { status: 400, title: 'The body is not JSON' },
  'malformed-batch': { status: 400, title: 'The body is not a batch of touchpoints' },
  'malformed-gzip': { status: 400, title: 'The body is not readable gzip' },
  'malformed-request': { status: 400, title: 'The request is malformed' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'batch-too-large': { status: 413, title: 'The batch holds too many events' },
  'invalid-rates': { status: 400, title: 'The rates cannot be read' },
  'invalid-import': { status: 400, title: 'The import cannot be read' },
  'invalid-webhook': { status: 400, title: 'The webhook cannot be taken' },
  'invalid-settings': { status: 400, title: 'The settings cannot be taken' },
  'invalid-goals': { status: 400, title: 'The goals cannot be taken' },
  'invalid-replay': { status: 400, title: 'What is to be replayed cannot be read' },
  'invalid-links': { status: 400, title: 'The links cannot be made' },
  'invalid-correction': { status: 400, title: 'What is to be corrected cannot be read' },
  'unsupported-encoding': { status: 415, title: 'The content encoding is not supported' },

  // the key
  'missing-key': { status: 401, title: 'The request carries no key' },
  'unknown-key': { status: 401, title: 'No site has this key' },
  'keys-disagree': { status: 400, title: 'The request carries different keys' },
  'secret-key-exposed': { status: 403, title: 'A secret key stands where others can read it' },
  'secret-key-required': { status: 403, title: 'This route needs a secret key' },
  'missing-scope': { status: 403, title: 'The key lacks the scope this route needs' },
  'origin-not-allowed': { status: 403, title: 'The site does not allow this origin' },
  forbidden: { status: 403, title: 'Not allowed' },

  // the address of the request
  'not-found': { status: 404, title: 'There is nothing at this address' },
  'method-not-allowed': { status: 405, title: 'The address does not take this method' },
  'invalid-query': { status: 400, title: 'A query parameter is wrong' },
  'invalid-cursor': { status: 400, title: 'The cursor is not one this route gave out' },
  'cursor-expired': { status: 410, title: 'What follows the cursor is not kept any more' },
  'invalid-visitor': { status: 400, title: 'The request does not say who the visitor is' },
  'invalid-link': { status: 400, title: 'This link does not work' },
  'expired-link': { status: 410, title: 'This link has expired' },
  'unknown-person': { status: 404, title: 'The site has no such person' },
  'correction-refused': { status: 409, title: 'The persons cannot be merged or un-merged so' },
  'unknown-account': { status: 404, title: 'The site has no such account' },
  'unknown-stage': { status: 404, title: 'The journey model has no such stage' },
  'unknown-webhook': { status: 404, title: 'The site has no such webhook' },
  'unknown-delivery': { status: 404, title: 'The webhook has no such delivery' },
  'too-many-webhooks': { status: 409, title: 'The site has as many webhooks as it may' },
  'not-acceptable': { status: 406, title: 'The route cannot answer in an accepted form' },

  // load and trouble; always with Retry-After
  'rate-limited': { status: 429, title: 'Too many requests' },
  'buffer-full': { status: 503, title: 'The collector holds all it can' },
  'buffer-unavailable': { status: 503, title: 'The collector cannot store anything right now' },
  'keys-unavailable': { status: 503, title: 'The collector cannot check the key right now' },
  'database-unavailable': { status: 503, title: 'The answer cannot be read right now' },
  'shutting-down': { status: 503, title: 'The collector is shutting down' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  internal: { status: 500, title: 'Something went wrong inside' },
} as const;

/** The name of a problem: the last part of its `type`. */
export type ProblemType = keyof typeof problems;

/** Every problem with its status and title, for the documentation and OpenAPI. */
export const problemList: Readonly<Record<ProblemType, { status: number; title: string }>> = problems;

/** The media type of every error answer (RFC 9457). */
export const problemMediaType = 'application/problem+json; charset=utf-8';

/**
 * An error the client can act on. `detail` says what to do and never repeats what the client sent.
 * `headers` go out with the answer (Retry-After, WWW-Authenticate).
 */
export class Problem extends Error {
  readonly type: ProblemType;
  readonly detail: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    type: ProblemType,
    detail: string,
    { headers = {} }: { headers?: Record<string, string> } = {},
  ) {
    super(`${type}: ${detail}`);
    this.name = 'Problem';
    this.type = type;
    this.detail = detail;
    this.headers = headers;
  }

  get status(): number {
    return problems[this.type].status;
  }

  toJSON(): { type: string; title: string; status: number; detail: string } {
    const { status, title } = problems[this.type];
    return { type: `/problems/${this.type}`, title, status, detail: this.detail };
  }
}

/** A problem that passes: the client keeps what it has and asks again after `seconds` (rounded up, at least 1). */
export function problemForNow(type: ProblemType, detail: string, seconds: number): Problem {
  return new Problem(type, detail, { headers: { 'retry-after': String(Math.max(1, Math.ceil(seconds))) } });
}
