import type { PageContext } from './context.ts';

type Free = Record<string, unknown>;

/** One touchpoint on its way to the collector, as a filter sees it. */
export type Touchpoint = {
  /** UUID v7: how the collector tells a resend from something new. */
  id: string;
  /** ISO 8601, UTC. */
  occurred_at: string;
  /** Absent for what `track` and plug-ins record. */
  type?: 'track' | 'page' | 'identify' | 'group' | undefined;
  /** What happened; absent for the other types. */
  name?: string | undefined;
  properties?: Free | undefined;
  traits?: Free | undefined;
  /** The browser's id; absent while consent is pending, and under a server. */
  anonymous_id?: string | undefined;
  user_id?: string | undefined;
  user_proof?: string | undefined;
  account_id?: string | undefined;
  /** Other identities by type. */
  identities?: Record<string, string | string[]> | undefined;
  /** Where it happened, where that is not the browser: `server`. */
  source?: 'server' | undefined;
  context?: (Free & { page?: PageContext | undefined }) | undefined;
};
