import { hash } from 'node:crypto';
import { identityIdOf, type Touchpoint, isWorthlessId, typeOf, usableIds } from '@milepost/shared';
import { storable } from './text.ts';

/** What a touchpoint says about who it was. */
export type Identity = {
  anonymousId: string | null;
  userId: string | null;
  /** The other identities: lists by type, types in alphabetical order; null where there are none. */
  identities: Record<string, string[]> | null;
  /** The lead identity's key: of the anonymous id, else the user id, else the first other identity. */
  identityId: string;
  /** Whether a worthless id was left out. */
  hasRefusedId: boolean;
};

/** Reads who a touchpoint was. A judged touchpoint has an identity; one that has none throws. `own`: worthless ids of the site. */
export function identityOf(event: Touchpoint, own?: readonly string[]): Identity {
  const given = event.identities ?? null;
  const anonymousId = idOf(event.anonymous_id, own);
  const userId = idOf(event.user_id ?? soleIdOf(given?.['user_id']), own);
  const others = given === null && event.traits == null ? null : otherIdentities(event, own);
  const identities = others?.identities ?? null;
  const [type, value] =
    anonymousId !== null
      ? ['anonymous_id', anonymousId]
      : userId !== null
        ? ['user_id', userId]
        : firstOf(identities);
  return {
    anonymousId,
    userId,
    identities,
    identityId: keyOf(type, value),
    hasRefusedId:
      (event.anonymous_id != null && anonymousId === null) ||
      (event.user_id != null && userId === null) ||
      others?.hasRefusedId === true,
  };
}

/** The text of an id; null for none and for a worthless one. */
export function idOf(value: string | number | null | undefined, own?: readonly string[]): string | null {
  if (value == null) return null;
  const text = typeof value === 'string' ? value : String(value);
  return isWorthlessId(text, own) ? null : storable(text);
}

function soleIdOf(value: unknown): string | number | null {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' || typeof first === 'number' ? first : null;
}

function firstOf(identities: Record<string, string[]> | null): [string, string] {
  for (const type in identities) return [type, identities[type]![0]!];
  throw new Error('a touchpoint without any identity');
}

/** E-mail addresses and telephone numbers are identities by the SHA-256 of their normal form. */
function otherIdentities(
  { identities, traits, ...event }: Touchpoint,
  own: readonly string[] | undefined,
): Pick<Identity, 'identities' | 'hasRefusedId'> {
  const found: [string, string][] = [];
  let hasRefusedId = false;
  for (const type in identities) {
    if (type === 'user_id' || type === 'anonymous_id') continue;
    const usable = usableIds(identities[type], own);
    hasRefusedId ||= usable.length < countOf(identities[type]);
    for (const value of usable) found.push(normalised(type, storable(value)));
  }
  // The traits of a group call are the account's: its address is nobody's in particular.
  const told = typeOf(event.name, event.type) === 'group' ? null : traits;
  for (const type of ['email', 'phone']) {
    const value = told?.[type];
    if (typeof value === 'string' && !isWorthlessId(value, own))
      found.push(normalised(type, storable(value)));
  }
  if (found.length === 0) return { identities: null, hasRefusedId };
  const byType = Object.create(null) as Record<string, string[]>; // `constructor` is a type like any other
  for (const [type, value] of found.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))) {
    const values = (byType[type] ??= []);
    if (!values.includes(value)) values.push(value);
  }
  return { identities: byType, hasRefusedId };
}

function countOf(values: unknown): number {
  return Array.isArray(values) ? values.length : values == null ? 0 : 1;
}

function normalised(type: string, value: string): [string, string] {
  if (type === 'email') return ['email_sha256', hash('sha256', value.trim().toLowerCase(), 'hex')];
  if (type === 'phone') return ['phone_sha256', hash('sha256', value.replaceAll(/[^\d+]/g, ''), 'hex')];
  if (type === 'email_sha256' || type === 'phone_sha256') return [type, value.trim().toLowerCase()];
  return [type, value];
}

// Visitors come in runs, so most keys were computed a moment ago. Two generations make a cheap bounded memory; ids of
// browsers and users have one each, for to look a text up costs less than to put type and value together.
const generationSize = 50_000;

class Keys {
  #young = new Map<string, string>();
  #old = new Map<string, string>();

  of(type: string, value: string): string {
    let key = this.#young.get(value);
    if (key !== undefined) return key;
    key = this.#old.get(value) ?? identityIdOf(type, value);
    if (this.#young.size >= generationSize) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(value, key);
    return key;
  }
}

const keysOf = { anonymous_id: new Keys(), user_id: new Keys() };

function keyOf(type: string, value: string): string {
  if (type === 'anonymous_id' || type === 'user_id') return keysOf[type].of(type, value);
  return identityIdOf(type, value);
}
