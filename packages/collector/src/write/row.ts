import {
  type Source,
  type Touchpoint,
  type UnjudgedBatch,
  canonicalName,
  occurredAtOf,
  readTime,
  touchpointIdOf,
  typeOf,
} from '@milepost/shared';
import type { Envelope } from '../buffer/buffer.ts';
import { botReasonOf } from './bots.ts';
import { canonicalProperties } from './ecommerce.ts';
import { identityOf, idOf } from './identity.ts';
import { jsonOf, storable } from './text.ts';

/** A touchpoint as `store.touchpoints` holds it. Instants in milliseconds; JSON columns as their text. */
export type TouchpointRow = {
  siteId: number;
  touchpointId: string;
  identityId: string;
  occurredAt: number;
  sequence: number;
  receivedAt: number;
  sentAt: number | null;
  clientTime: number;
  name: string;
  type: string;
  source: Source;
  ingestedBy: string;
  isTrusted: boolean;
  anonymousId: string | null;
  userId: string | null;
  accountId: string | null;
  identities: string | null;
  properties: string | null;
  traits: string | null;
  context: string | null;
  givenId: string | null;
  botReason: string | null;
  internalReason: string | null;
  flags: string[] | null;
};

/** What the touchpoints of one request share. */
export type SharedFacts = {
  sentAt: number | null;
  /** Whether the batch had a `sent_at` that nobody can read. */
  isSentAtUnread: boolean;
  context: Record<string, unknown> | null;
  /** What the client says of its browser, where it says it once for all. */
  userAgent: string | null;
  /** `context` as stored, for the many touchpoints that have none of their own. */
  contextText: string | null;
};

/** Reads what the touchpoints of a batch share. */
export function sharedFactsOf(
  batch: Pick<UnjudgedBatch, 'sent_at' | 'context'>,
  envelope: Envelope,
): SharedFacts {
  const sentAt = batch.sent_at == null ? null : readTime(batch.sent_at);
  // The browser's own name tells the device. A server's says nothing about the visitor.
  const userAgent = envelope.isTrusted ? undefined : envelope.userAgent;
  const given = withoutAddress(batch.context ?? null);
  const context = userAgent ? { userAgent, ...given } : given;
  return {
    sentAt,
    isSentAtUnread: batch.sent_at != null && sentAt === null,
    context,
    userAgent: textOf(batch.context?.userAgent),
    contextText: jsonOf(context),
  };
}

/** The row of a touchpoint that was judged fit. Pure: the same event and envelope always give the same row. */
export function rowOf(event: Touchpoint, envelope: Envelope, shared: SharedFacts): TouchpointRow {
  const { siteId, receivedAt, isTrusted, worthlessIds } = envelope;
  const { touchpointId, isGiven } = touchpointIdOf(siteId, event.id);
  const identity = identityOf(event, worthlessIds);
  const type = typeOf(event.name, event.type);
  const name = storable(canonicalName(event.name ?? '', type));
  const clientTime = readTime(event.occurred_at);
  if (clientTime === null) throw new Error('a touchpoint without a readable time');
  const { sentAt } = shared;

  const own = withoutAddress(event.context ?? null);
  const context =
    own === null ? shared.context : shared.context === null ? own : { ...shared.context, ...own };
  const source = sourceOf(event, context, identity.anonymousId !== null);

  const account = event.account_id ?? groupIdOf(context);
  const accountId = idOf(account, worthlessIds);

  const flags: string[] = [];
  if (identity.hasRefusedId || (account != null && accountId === null)) flags.push('worthless_id');
  if (shared.isSentAtUnread) flags.push('bad_sent_at');

  return {
    siteId,
    touchpointId,
    identityId: identity.identityId,
    occurredAt: occurredAtOf({ clientTime, sentAt, receivedAt }),
    sequence: Number(event.sequence ?? 0),
    receivedAt,
    sentAt,
    clientTime,
    name,
    type,
    source,
    ingestedBy: envelope.ingestedBy,
    isTrusted,
    anonymousId: identity.anonymousId,
    userId: identity.userId,
    accountId,
    identities: jsonOf(identity.identities),
    properties: type === 'alias' ? aliasOf(event, flags, worthlessIds) : propertiesOf(event, name, flags),
    traits: jsonOf(event.traits),
    context: own === null ? shared.contextText : jsonOf(context),
    givenId: isGiven ? null : storable(event.id),
    botReason: botReasonOf({
      contextUserAgent: textOf(own?.userAgent) ?? shared.userAgent,
      headerUserAgent: source === 'web' && !isTrusted ? (envelope.userAgent ?? null) : null,
      pageUrl: textOf((context?.['page'] as { url?: unknown } | null | undefined)?.url),
    }),
    internalReason: internalReasonOf(event, envelope),
    flags: flags.length === 0 ? null : flags,
  };
}

/** Visitors' addresses are not kept, whoever tells them. */
function withoutAddress(context: Record<string, unknown> | null): Record<string, unknown> | null {
  if (context === null || !('ip' in context)) return context;
  const { ip: _, ...rest } = context;
  return rest;
}

/** Segment's calls other than group name the account in their context. */
function groupIdOf(context: Record<string, unknown> | null): string | number | null {
  const id = context?.['groupId'];
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

/** Why a touchpoint is the site's own people's; null for a visitor's. `traffic_type` is GA4's way of saying so. */
function internalReasonOf({ properties }: Touchpoint, { isInternal }: Envelope): string | null {
  if (isInternal) return 'network';
  const trafficType = properties?.['traffic_type'];
  return typeof trafficType === 'string' && trafficType.trim().toLowerCase() === 'internal'
    ? 'traffic_type'
    : null;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** An alias has the user's earlier id as its one property. */
function aliasOf(
  { previous_id: given }: Touchpoint,
  flags: string[],
  own: readonly string[] | undefined,
): string | null {
  const previousId = idOf(given, own);
  if (given != null && previousId === null && !flags.includes('worthless_id')) flags.push('worthless_id');
  return previousId === null ? null : jsonOf({ previous_id: previousId });
}

/** The properties as stored; what of them could not be read is kept beside them as `unread` and flagged. */
function propertiesOf(event: Touchpoint, name: string, flags: string[]): string | null {
  const given = titled(event, name);
  if (given === null) return null;
  const { properties, unread } = canonicalProperties(name, given);
  if (unread === null) return jsonOf(properties);
  const pointers = Object.keys(unread);
  const ofItems = pointers.filter((pointer) => pointer.startsWith('/items'));
  if (ofItems.length > 0) flags.push('bad_items');
  if (ofItems.length < pointers.length) flags.push('bad_amounts');
  return jsonOf({ ...properties, unread });
}

/** In Segment's page and screen calls the name is that of the page, not of the event. */
function titled({ name, type, properties }: Touchpoint, canonical: string): Record<string, unknown> | null {
  const given = properties ?? null;
  if ((type !== 'page' && type !== 'screen') || !name || name === canonical) return given;
  const field = type === 'page' ? 'page_title' : 'screen_name';
  return { [field]: name, ...given };
}

const sourceOfChannel: Readonly<Record<string, Source>> = { web: 'web', mobile: 'app', server: 'server' };
const serverLibrary =
  /(?:^|[^a-z])(?:node|python|ruby|php|java|go|golang|net|rust|elixir|scala)(?:$|[^a-z])/i;

/** Where the interaction happened, for a touchpoint that does not say. */
function sourceOf(
  event: Touchpoint,
  context: Record<string, unknown> | null,
  hasAnonymousId: boolean,
): Source {
  if (event.source != null) return event.source;
  const { channel } = event as { channel?: unknown };
  if (typeof channel === 'string' && Object.hasOwn(sourceOfChannel, channel))
    return sourceOfChannel[channel]!;
  const library = textOf((context?.['library'] as { name?: unknown } | null | undefined)?.name);
  if (library !== null && serverLibrary.test(library)) return 'server';
  return hasAnonymousId ? 'web' : 'server';
}
