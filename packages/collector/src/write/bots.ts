import { isbot } from 'isbot';

/** Where a touchpoint's user agent is read from. */
export type Origin = {
  /** `context.userAgent`: what the client says of itself. */
  contextUserAgent: string | null;
  /** The request's header; of a server library it tells nothing about the visitor. */
  headerUserAgent: string | null;
  pageUrl: string | null;
};

// Who calls the HTTP API by such a client is somebody's own program, not a crawler that ran the page's script.
const httpClient =
  /^(?:analytics|rudder|node|undici|axios|got|superagent|curl|wget|httpie|python|aiohttp|go-http|okhttp|java|apache-http|ruby|faraday|php|guzzle|dart|postman|insomnia|k6|autocannon|wrk|lightmyrequest)/i;

/** Whether a user agent is that of a program, which tells nothing of a visitor. */
export function isHttpClient(userAgent: string): boolean {
  return httpClient.test(userAgent);
}

// No crawler reaches a page on somebody's own machine: a headless browser there is its owner's test.
const ownMachine = /^https?:\/\/(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?:[:/?#]|$)/i;

const verdicts = new Map<string, boolean>();

/** Why a touchpoint is a bot's; null for a human's. */
export function botReasonOf({ contextUserAgent, headerUserAgent, pageUrl }: Origin): string | null {
  const userAgent = contextUserAgent ?? headerUserAgent;
  if (userAgent === null || userAgent === '' || !isCrawler(userAgent)) return null;
  if (contextUserAgent === null && httpClient.test(userAgent)) return null;
  if (pageUrl !== null && ownMachine.test(pageUrl)) return null;
  return 'user_agent';
}

function isCrawler(userAgent: string): boolean {
  let verdict = verdicts.get(userAgent);
  if (verdict === undefined) {
    verdict = isbot(userAgent);
    // User agents come from outside, so what is remembered of them is bounded.
    if (verdicts.size >= 5_000) verdicts.clear();
    verdicts.set(userAgent, verdict);
  }
  return verdict;
}
