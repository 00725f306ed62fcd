/** A touchpoint that was stored a moment ago. */
export type Arrived = {
  type: 'touchpoint';
  /** `bot` and `internal` are kept, and are in no other view. */
  verdict: 'accepted' | 'bot' | 'internal';
  touchpoint_id: string;
  received_at: string;
  occurred_at: string;
  name: string;
  call: string;
  source: string;
  ingested_by: string;
  visitor_id: string | null;
  user_id: string | null;
  /** Path of the page, where there is one. */
  page: string | null;
  properties: Record<string, unknown> | null;
  /** Why it is a bot's or the site's own; what was odd but accepted. */
  reasons: string[];
};

/** An event that was not stored. */
export type Rejected = {
  type: 'rejected';
  verdict: 'rejected';
  rejected_id: string;
  received_at: string;
  name: string | null;
  reason: string;
  /** A JSON pointer and what is wrong there. */
  detail: string | null;
  ingested_by: string;
};

/** What derivation made of a touchpoint that was told of before. */
export type Derived = {
  type: 'derived';
  touchpoint_id: string;
  name: string;
  person_id: string;
  session_id: string | null;
  channel: string | null;
  /** What the site's journey model takes it for; null for nothing. */
  signal: string | null;
  /** Where the person stands now. */
  stage: string | null;
  transition: {
    from_stage: string | null;
    to_stage: string;
    direction: string;
    rule: string;
    skipped_stages: string[];
  } | null;
};

/** Resends, which change nothing and are only counted. */
export type Repeated = { type: 'duplicates'; verdict: 'duplicate'; count: number };

/** More came than is told of here. */
export type Skipped = { type: 'skipped'; reason: string };

export type DebugEvent = Arrived | Rejected | Derived | Repeated | Skipped;
