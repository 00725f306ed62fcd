import type { Plugin } from '../plugin.ts';
import type { Touchpoint } from '../touchpoint.ts';
import { nextOf, type Answered } from './debug-words.ts';

/** How {@link debug} tells. */
export type DebugOptions = {
  /** What is told, and what it is about. Default: `console.log`. */
  log?: (text: string, about?: unknown) => void;
};

/** The batch that a body holds. */
async function batchOf(body: Blob): Promise<{ batch: Touchpoint[]; lost?: Record<string, number> }> {
  const [first, second] = new Uint8Array(await body.slice(0, 2).arrayBuffer());
  const isGzip = first === 0x1f && second === 0x8b;
  const stream = isGzip ? body.stream().pipeThrough(new DecompressionStream('gzip')) : body.stream();
  return new Response(stream).json();
}

/**
 * Explains in the console what becomes of each touchpoint: queued, dropped and by what, sent, accepted, rejected and
 * why, kept for later. For developers: it watches the page's `fetch`, and belongs at the end of the plug-ins, for it
 * sees what the filters before it have left.
 */
export function debug({ log = console.log }: DebugOptions = {}): Plugin<void> {
  return ({ tracker, options, viewed, filter, on, consent }) => {
    const say = (text: string, about?: unknown) => log(`milepost: ${text}`, about ?? '');
    const nameOf = ({ name, type }: Touchpoint) => name ?? type;

    const sayConsent = () => {
      const meaning = {
        granted: 'touchpoints are kept and sent',
        pending: 'touchpoints wait in memory for the answer',
        denied: 'nothing is recorded; the visitor, or their browser by GPC or Do Not Track, does not want it',
      };
      say(`consent is ${consent()}: ${meaning[consent()]}`);
    };
    sayConsent();
    on('consent', sayConsent);
    for (const [name, method] of Object.entries(tracker) as [string, (...values: unknown[]) => unknown][]) {
      tracker[name as 'page'] = (...values: unknown[]) => {
        if (consent() === 'denied' && name !== 'consent')
          say(`dropped ${name}(), for consent is denied`, values);
        return method(...values);
      };
    }

    const heardOf = (kept: Touchpoint | null, event: Touchpoint) => {
      if (!kept) say(`dropped ${nameOf(event)}, for beforeSend returned ${String(kept)}`, event);
      else say(`queued ${nameOf(kept)}`, kept);
      return kept;
    };
    const { beforeSend } = options;
    // started later it is the last filter; at the start the tracker has yet to ask for beforeSend, after all filters
    if (viewed()) filter((event) => heardOf(event, event));
    else options.beforeSend = (event) => heardOf(beforeSend ? beforeSend(event) : event, event);

    const endpoint = options.endpoint ?? `${options.host ?? ''}/v1/events`;
    const original = globalThis.fetch;
    globalThis.fetch = (input, init) => {
      const answer = original.call(globalThis, input, init);
      if (input === endpoint && init?.body instanceof Blob) void tellOf(init.body, answer);
      return answer;
    };

    async function tellOf(body: Blob, answer: Promise<Response>) {
      const answered: Promise<Answered> = answer
        .then(async (response) => {
          const { status } = response;
          const verdicts = status === 200 ? (await response.clone().json()).results : [];
          return { status, retryAfter: response.headers.get('retry-after'), verdicts };
        })
        .catch(() => ({ status: 0, retryAfter: null, verdicts: [] }));
      try {
        const { batch, lost } = await batchOf(body);
        say(`sent ${batch.map(nameOf).join(', ')} (${body.size} bytes)`, batch);
        if (lost) say('told the collector what was lost, by reason', lost);
        const outcome = await answered;
        for (const verdict of outcome.verdicts) {
          const { status, reason = '', detail = '' } = verdict ?? {};
          const event = batch.find(({ id }) => id === verdict?.id);
          if (event) say(`${status} ${nameOf(event)} ${reason} ${detail}`.trim(), event);
        }
        if (outcome.status !== 200) say(nextOf(outcome, batch.length));
      } catch (error) {
        say('what was sent cannot be read', error);
      }
    }
  };
}
