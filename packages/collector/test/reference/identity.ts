import { createHmac } from 'node:crypto';
import { byOrder, isoOf, type Settings, type Touchpoint } from './inputs.ts';

/** The anchor identity that a person's id is computed from. */
export type Anchor = { type: 'user_id' | 'anonymous_id'; value: string };

/** A stretch of one anonymous id's life in which its touchpoints belong to one user; begins at `from`. */
type Spell = { user: string; from: Touchpoint };

/** Section 3, for anonymous ids and user ids: whose each touchpoint is. */
export class Identities {
  readonly #settings: Settings;
  readonly #touchpoints: Touchpoint[];
  readonly #spells = new Map<string, Spell[]>();

  constructor(touchpoints: Touchpoint[], settings: Settings) {
    this.#settings = settings;
    this.#touchpoints = [...touchpoints].sort(byOrder);
    for (const touchpoint of this.#touchpoints) {
      const { anonymous_id, user_id } = touchpoint;
      if (anonymous_id === null || user_id === null) continue;
      const spells = this.#spells.get(anonymous_id) ?? [];
      if (spells.at(-1)?.user !== user_id) spells.push({ user: user_id, from: touchpoint });
      this.#spells.set(anonymous_id, spells);
    }
  }

  /** The user last seen with the anonymous id at or before the touchpoint, else the first one seen later. */
  #spellOf(touchpoint: Touchpoint): Spell | undefined {
    const spells = this.#spells.get(touchpoint.anonymous_id!) ?? [];
    return spells.findLast((spell) => byOrder(spell.from, touchpoint) <= 0) ?? spells[0];
  }

  anchorOf(touchpoint: Touchpoint): Anchor {
    const user = touchpoint.user_id ?? this.#spellOf(touchpoint)?.user;
    return user !== undefined
      ? { type: 'user_id', value: user }
      : { type: 'anonymous_id', value: touchpoint.anonymous_id! };
  }

  personOf(touchpoint: Touchpoint): string {
    return personIdOf(this.#settings.person_secret, this.anchorOf(touchpoint));
  }

  /** The rows of journey.identities. */
  rows(): Record<string, unknown>[] {
    const secret = this.#settings.person_secret;
    const rows: Record<string, unknown>[] = [];
    for (const user of distinct(this.#touchpoints.map((touchpoint) => touchpoint.user_id))) {
      const own = this.#touchpoints.filter((touchpoint) => touchpoint.user_id === user);
      rows.push({
        person_id: personIdOf(secret, { type: 'user_id', value: user }),
        type: 'user_id',
        value: user,
        ...seen(own),
        valid_from: isoOf(own[0]!.occurred_at),
        valid_to: null,
        former_person_id: null,
      });
    }
    for (const visitor of distinct(this.#touchpoints.map((touchpoint) => touchpoint.anonymous_id))) {
      const own = this.#touchpoints.filter((touchpoint) => touchpoint.anonymous_id === visitor);
      const anonymous = personIdOf(secret, { type: 'anonymous_id', value: visitor });
      const spells = this.#spells.get(visitor) ?? [];
      if (spells.length === 0) {
        rows.push({
          person_id: anonymous,
          type: 'anonymous_id',
          value: visitor,
          ...seen(own),
          valid_from: isoOf(own[0]!.occurred_at),
          valid_to: null,
          former_person_id: null,
        });
      }
      spells.forEach((spell, index) => {
        const next = spells[index + 1];
        rows.push({
          person_id: personIdOf(secret, { type: 'user_id', value: spell.user }),
          type: 'anonymous_id',
          value: visitor,
          ...seen(own.filter((touchpoint) => this.#spellOf(touchpoint) === spell)),
          valid_from: isoOf(index === 0 ? own[0]!.occurred_at : spell.from.occurred_at),
          valid_to: next ? isoOf(next.from.occurred_at) : null,
          former_person_id: index === 0 ? anonymous : null,
        });
      });
    }
    return rows;
  }
}

function seen(touchpoints: Touchpoint[]): { first_seen_at: string; last_seen_at: string } {
  return {
    first_seen_at: isoOf(touchpoints[0]!.occurred_at),
    last_seen_at: isoOf(touchpoints.at(-1)!.occurred_at),
  };
}

function distinct(values: (string | null)[]): string[] {
  return [...new Set(values.filter((value) => value !== null))];
}

/** UUID v8 of HMAC-SHA-256(site secret, `type:value`). Written anew here: the model shares no code with what it checks. */
export function personIdOf(secret: Buffer, anchor: Anchor): string {
  const bytes = createHmac('sha256', secret)
    .update(`${anchor.type}:${anchor.value}`)
    .digest()
    .subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
