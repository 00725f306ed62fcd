import type { Plugin } from '../plugin.ts';
import { attempt } from '../storage.ts';

/** What a visitor may know of themselves, as `GET /v1/me` answers it. Where nothing is known, all is null or empty. */
export type Journey = {
  /** Where the visitor stands now, e.g. `decision`. Null before the first signal. */
  stage: string | null;
  /** The furthest stage ever reached. */
  furthest_stage: string | null;
  /** When the stage was entered, ISO 8601. */
  since: string | null;
  /** Whether there was ever an order. */
  is_customer: boolean | null;
  /** Public segments. */
  segments: string[];
  /** The variant of each experiment, by its name. */
  variants: Record<string, string>;
};

/** How `journey()` asks: at the tracker's endpoint with `me` as its last part, so `/v1/me`. */
export type JourneyOptions = {
  /** What the server rendered the page with. Known from the start, until the collector is asked. Default: nothing. */
  initial?: Journey;
  /** How long an answer is good without asking again, in milliseconds. Default: 30,000. */
  freshMs?: number;
};

/** What the plug-in adds to the tracker. */
export type JourneyMethods = {
  /**
   * The visitor's own stage, segments and variants. The last known answer comes at once, however old, and the collector is
   * asked behind it; only without one the promise waits. Never rejects: without consent, under a server, or when the
   * collector does not answer within 5 s it gives the last known answer, or undefined.
   */
  journey(): Promise<Journey | undefined>;
};

/**
 * Event of `window` whose `detail` is the journey: fired when `journey()` has its first answer on the page (undefined,
 * where there is none), and whenever a later one differs.
 */
export const journeyEvent = 'milepost:journey';

/** An answer, for whom and when it was asked. */
type Asked = {
  who: string;
  at: number;
  journey?: Journey;
  asking?: Promise<Journey | undefined> | undefined;
};

const answerKey = 'milepost.journey';
const proofKey = 'milepost.proof';
// What a touchpoint changes can be read about so long after it: an answer asked for earlier may be old already.
const settleMs = 5_000;
const unsettledFreshMs = 2_000;
const timeoutMs = 5_000;

/** Whether it is too early to ask again at `now`, when last asked at `at`, and something was last recorded at `changedAt`. */
export function isFresh(at: number, changedAt: number, now: number, freshMs: number): boolean {
  // a clock that was put back makes nothing good for longer
  return Math.abs(now - at) < (at - changedAt > settleMs ? freshMs : unsettledFreshMs);
}

/** Reads the visitor's own stage back, for dynamic content: adds `journey()` to the tracker. */
export function journey({ initial, freshMs = 30_000 }: JourneyOptions = {}) {
  const plugin: Plugin<JourneyMethods> = ({ tracker, options, store, consent, visitorId, filter }) => {
    const { identify, reset } = tracker;
    const { host = '', endpoint = `${host}/v1/events`, writeKey } = options;
    const startedAt = Date.now();
    let changedAt = startedAt;
    let last: Asked | undefined;
    let told: string | undefined | null = null;

    const userId = () => store.get('milepost.user');
    // a proof that is new may open what the last one did not
    const whoNow = () => [visitorId(), userId(), store.get(proofKey)].join();

    function tell(journey: Journey | undefined) {
      const text = JSON.stringify(journey);
      if (text !== told) {
        told = text;
        dispatchEvent(new CustomEvent(journeyEvent, { detail: journey }));
      }
      return journey;
    }

    async function ask(asked: Asked): Promise<Journey | undefined> {
      const proof = store.get(proofKey);
      let journey: Journey | undefined;
      try {
        const response = await fetch(endpoint.replace(/[^/]*$/, `me?k=${writeKey}`), {
          headers: {
            'x-milepost-visitor': visitorId(),
            ...(proof && { 'x-milepost-user-proof': proof }),
          },
          signal: AbortSignal.timeout?.(timeoutMs), // a browser too old for it waits as long as it likes
        });
        journey = (await response.json()) as Journey;
      } catch {
        // offline, blocked, too slow: what was known is still the best there is
      }
      asked.asking = undefined;
      // somebody else by now, as after a refusal: nobody's answer is told to them
      if (asked.who !== whoNow()) return undefined;
      // a problem has no variants
      if (journey?.variants) {
        asked.journey = journey;
        store.set(answerKey, JSON.stringify(asked));
      }
      return tell(asked.journey);
    }

    filter((event) => {
      changedAt = Date.now();
      return event;
    });

    const methods: JourneyMethods & Pick<typeof tracker, 'identify' | 'reset'> = {
      async journey() {
        if (consent() !== 'granted') return tell(initial);
        const who = whoNow();
        const now = Date.now();
        if (last?.who !== who) {
          const kept = attempt(() => JSON.parse(store.get(answerKey)!) as Asked);
          last = kept?.who === who ? kept : { who, at: -Infinity };
          if (initial) last = { who, at: startedAt, journey: initial };
          initial = undefined;
        }
        if (!last.asking && !isFresh(last.at, changedAt, now, freshMs)) {
          last.at = now;
          last.asking = ask(last);
        }
        return last.journey || !last.asking ? tell(last.journey) : last.asking;
      },
      identify(user, traits, more) {
        if (more?.proof) store.set(proofKey, more.proof);
        else if (String(user) !== userId()) store.remove(proofKey);
        identify(user, traits, more);
      },
      reset() {
        initial = undefined;
        store.remove(proofKey);
        store.remove(answerKey);
        reset();
      },
    };
    return methods;
  };
  return Object.assign(plugin, { server: { journey: async () => initial } satisfies JourneyMethods });
}
