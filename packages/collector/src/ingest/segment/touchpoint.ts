import { sources } from '@milepost/shared';
import { type Fields, type SegmentBatch, type SegmentCall, isFields, lacksId } from './calls.ts';
import { contextOf } from './context.ts';

/** What is known of a call beside itself. */
export type CallFacts = {
  /** The route it came by. */
  call: SegmentCall;
  index: number;
  receivedAt: number;
  /** Begins the ids of calls that have none. */
  fallbackId: string | undefined;
  batch: Pick<SegmentBatch, 'sentAt' | 'context'>;
};

/**
 * A call of Segment's HTTP API as a touchpoint, still to be judged; what is no object comes back as it is. Pure:
 * ingest judges what the writer later stores.
 */
export function touchpointOf(call: unknown, facts: CallFacts): unknown {
  if (!isFields(call)) return call;
  const type = facts.call === 'batch' ? (call['type'] ?? 'track') : facts.call;
  const isAccounts = type === 'group';
  const given = withShared(call['context'], facts.batch.context);
  const { traits: personTraits, externalId, ...context } = isFields(given) ? given : ({} as Fields);
  // The traits of a group are the account's, those of its context the person's.
  const movesTraits = !isAccounts && isFields(personTraits);
  if (!movesTraits && personTraits !== undefined) context['traits'] = personTraits;

  return {
    id: lacksId(call) ? `${facts.fallbackId}-${facts.index}` : call['messageId'],
    type,
    name: type === 'track' ? call['event'] : type === 'page' || type === 'screen' ? call['name'] : undefined,
    anonymous_id: textOrNone(call['anonymousId']),
    user_id: textOrNone(call['userId']),
    user_proof: call['user_proof'],
    identities: identitiesOf(call['identities'], externalId),
    previous_id: textOrNone(call['previousId']),
    account_id: isAccounts ? textOrNone(call['groupId']) : undefined,
    occurred_at: call['timestamp'] ?? call['originalTimestamp'] ?? facts.receivedAt,
    properties: propertiesOf(call),
    traits: movesTraits ? merged(personTraits, call['traits']) : call['traits'],
    context: contextOf(isFields(given) ? context : given, { type, properties: call['properties'] }),
    source: (sources as readonly unknown[]).includes(call['source']) ? call['source'] : undefined,
    channel: call['channel'] === 'browser' ? 'web' : call['channel'],
  };
}

/**
 * The client's clock when it sent a call. One that another collector has received before is on that one's clock
 * already, and how long it travelled since says nothing.
 */
export function sentAtOf(call: unknown, { sentAt }: Pick<SegmentBatch, 'sentAt'>): unknown {
  if (!isFields(call)) return sentAt;
  return call['receivedAt'] == null ? (sentAt ?? call['sentAt']) : undefined;
}

function withShared(own: unknown, shared: unknown): unknown {
  if (shared == null) return own;
  if (own == null) return shared;
  return isFields(own) && isFields(shared) ? { ...shared, ...own } : own;
}

/** Clients write an empty text where there is nobody. */
function textOrNone(value: unknown): unknown {
  return value === '' ? undefined : value;
}

/** Page and screen calls name their category beside the properties. */
function propertiesOf({ properties, category }: Fields): unknown {
  if (category == null || category === '') return properties;
  if (properties == null) return { category };
  return isFields(properties) && properties['category'] === undefined
    ? { ...properties, category }
    : properties;
}

function merged(traits: Fields, own: unknown): unknown {
  if (own == null) return Object.keys(traits).length > 0 ? traits : undefined;
  return isFields(own) ? { ...traits, ...own } : own;
}

/** `context.externalId`: ids in other systems, `[{ id, type }]`. Those whose type cannot be one of ours are left. */
function identitiesOf(identities: unknown, externalIds: unknown): unknown {
  if (!Array.isArray(externalIds)) return identities;
  const byType = Object.create(null) as Record<string, unknown[]>;
  for (const external of externalIds as unknown[]) {
    if (!isFields(external)) continue;
    const { id, type } = external;
    const isId = (typeof id === 'string' && id !== '') || Number.isSafeInteger(id);
    if (!isId || typeof type !== 'string' || !/^[a-z][a-z0-9_]{0,49}$/.test(type)) continue;
    (byType[type] ??= []).push(id);
  }
  if (identities == null) return Object.keys(byType).length > 0 ? byType : undefined;
  return isFields(identities) ? { ...byType, ...identities } : identities;
}
