import { createHmac } from 'node:crypto';
import { byOrder, isoOf, type Settings, type Touchpoint } from './inputs.ts';

/** The anchor identity that a person's id is computed from; any identity. */
export type Anchor = { type: string; value: string };

/** A stretch of one identity's life in which its touchpoints belong to one user, or to nobody's user. */
type Spell = { user: string | null; isRefused: boolean; touchpoints: Touchpoint[] };

/** Two identities seen together, and when first. A pair only named by hand has no touchpoint. */
type Link = {
  kind: 'join' | 'share' | 'alias';
  cause: string;
  one: Anchor;
  other: Anchor;
  first: Touchpoint | null;
  word: 'merge' | 'sever' | null;
  wordAt: number;
  isAccepted: boolean;
};

const keyOf = ({ type, value }: Anchor): string => `${type}:${value}`;
const userOf = (value: string): Anchor => ({ type: 'user_id', value });
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Section 3: whose each touchpoint is. */
export class Identities {
  readonly #settings: Settings;
  readonly #touchpoints: Touchpoint[];
  readonly #links = new Map<string, Link>();
  /** The touchpoints that carry an identity other than a user id. */
  readonly #sightings = new Map<string, { identity: Anchor; touchpoints: Touchpoint[] }>();
  readonly #mergedInto = new Map<string, string>();
  /** Whose an identity is that no accepted user was seen with. */
  readonly #assigned = new Map<string, Anchor>();
  readonly #spells = new Map<string, Spell[]>();
  readonly #firstJoins = new Map<string, Link>();
  /** The accepted users of an identity, and since when. */
  readonly #users = new Map<string, { from: Touchpoint | null; user: string }[]>();

  constructor(touchpoints: Touchpoint[], settings: Settings) {
    this.#settings = settings;
    this.#touchpoints = [...touchpoints].sort(byOrder);
    for (const touchpoint of this.#touchpoints) this.#see(touchpoint);
    // Of several words on one pair the latest counts.
    for (const correction of settings.corrections.toSorted((a, b) => a.at - b.at)) {
      const link = this.#link(correction.kind, 'manual', correction.one, correction.other, null);
      Object.assign(link, { word: correction.word, wordAt: correction.at });
    }
    this.#mergeUsers();
    this.#limitJoins();
    this.#findFirstJoins();
    this.#settleSets();
    for (const [key, { identity, touchpoints: own }] of this.#sightings) {
      this.#spells.set(key, this.#spellsOf(identity, own));
    }
  }

  #link(kind: Link['kind'], cause: string, one: Anchor, other: Anchor, first: Touchpoint | null): Link {
    const key = `${keyOf(one)} ${keyOf(other)}`;
    let link = this.#links.get(key);
    if (!link) {
      link = { kind, cause, one, other, first, word: null, wordAt: 0, isAccepted: true };
      this.#links.set(key, link);
    }
    return link;
  }

  #see(touchpoint: Touchpoint): void {
    const lead = leadOf(touchpoint);
    const others = carriedBy(touchpoint).filter((identity) => keyOf(identity) !== keyOf(lead));
    const { user_id: user } = touchpoint;
    for (const identity of lead.type === 'user_id' ? others : [lead, ...others]) {
      const seen = this.#sightings.get(keyOf(identity)) ?? { identity, touchpoints: [] };
      seen.touchpoints.push(touchpoint);
      this.#sightings.set(keyOf(identity), seen);
      if (user !== null) this.#link('join', 'joined', identity, userOf(user), touchpoint);
      else if (identity !== lead) this.#link('share', 'shared_identity', lead, identity, touchpoint);
    }
    const previous = touchpoint.type === 'alias' ? touchpoint.properties?.['previous_id'] : undefined;
    if (typeof previous !== 'string' || user === null) return;
    this.#link('join', 'alias', { type: 'anonymous_id', value: previous }, userOf(user), touchpoint);
    if (touchpoint.is_trusted && previous !== user) {
      this.#link('alias', 'alias', userOf(previous), userOf(user), touchpoint);
    }
  }

  /** Links of a kind in the order of time. A merge by hand stands where it was said, before touchpoints of that instant. */
  #inOrder(kind: Link['kind']): Link[] {
    const at = (link: Link): number => (link.word === 'merge' ? link.wordAt : (link.first?.occurred_at ?? 0));
    const isSaid = (link: Link): number => Number(link.word === 'merge');
    return [...this.#links.values()]
      .filter((link) => link.kind === kind)
      .sort(
        (a, b) =>
          at(a) - at(b) ||
          isSaid(b) - isSaid(a) ||
          (a.first === null || b.first === null
            ? Number(a.first === null) - Number(b.first === null)
            : byOrder(a.first, b.first)) ||
          byText(a.one.type, b.one.type) ||
          byText(a.one.value, b.one.value) ||
          byText(a.other.type, b.other.type) ||
          byText(a.other.value, b.other.value),
      );
  }

  #mergeUsers(): void {
    const links = this.#inOrder('alias');
    const users = distinct(links.flatMap(({ one, other }) => [one.value, other.value]));
    for (const link of links) {
      const [from, into] = [this.#userOf(link.one.value), this.#userOf(link.other.value)];
      const group = users.filter((user) => this.#userOf(user) === from);
      const size = group.length + users.filter((user) => this.#userOf(user) === into).length;
      link.isAccepted = link.word !== 'sever' && (from === into || size <= this.#settings.identity_set_limit);
      if (!link.isAccepted || from === into) continue;
      for (const user of group) this.#mergedInto.set(user, into);
    }
  }

  #userOf(user: string): string {
    return this.#mergedInto.get(user) ?? user;
  }

  #limitOf(type: string): number {
    return this.#settings.identity_limits[type] ?? this.#settings.identity_limit;
  }

  #limitJoins(): void {
    const counts = new Map<string, number>();
    for (const link of this.#inOrder('join')) {
      const [ofType, ofAll] = [`${link.other.value} ${link.one.type}`, link.other.value];
      if (link.word !== null) {
        link.isAccepted = link.word === 'merge';
        continue;
      }
      link.isAccepted =
        (counts.get(ofType) ?? 0) < this.#limitOf(link.one.type) &&
        (counts.get(ofAll) ?? 0) + 1 < this.#settings.identity_set_limit;
      if (!link.isAccepted) continue;
      counts.set(ofType, (counts.get(ofType) ?? 0) + 1);
      counts.set(ofAll, (counts.get(ofAll) ?? 0) + 1);
    }
  }

  /** Of each identity the join that gives a user its past: what was last said by hand, else the first accepted. */
  #findFirstJoins(): void {
    const joins = this.#inOrder('join').filter((link) => link.isAccepted);
    const byHand = joins.filter((link) => link.word === 'merge').sort((a, b) => b.wordAt - a.wordAt);
    for (const link of [...byHand, ...joins.filter(({ word }) => word === null)]) {
      if (!this.#firstJoins.has(keyOf(link.one))) this.#firstJoins.set(keyOf(link.one), link);
    }
  }

  #settleSets(): void {
    const sets = new Map<string, Anchor[]>();
    const shares = this.#inOrder('share');
    for (const member of shares.flatMap(({ one, other }) => [one, other])) {
      if (sets.has(keyOf(member))) continue;
      sets.set(keyOf(member), [member]);
    }
    // A set has the user of its earliest join so far.
    const joinsOf = (members: Anchor[]): Link[] =>
      members.map((member) => this.#firstJoins.get(keyOf(member))).filter((join) => join !== undefined);
    const userUntil = (members: Anchor[], until: Touchpoint | null): string | null => {
      const known = joinsOf(members).filter(
        (join) => join.word === 'merge' || (until !== null && byOrder(join.first!, until) < 0),
      );
      const [first] = known.sort(byJoin);
      return first ? this.#userOf(first.other.value) : null;
    };
    for (const link of shares) {
      const [one, other] = [sets.get(keyOf(link.one))!, sets.get(keyOf(link.other))!];
      link.isAccepted = link.word !== 'sever';
      if (!link.isAccepted || one === other) continue;
      const members = [...one, ...other];
      if (link.word === null) {
        const [oneUser, otherUser] = [userUntil(one, link.first), userUntil(other, link.first)];
        const types = new Set(members.map(({ type }) => type));
        link.isAccepted =
          (oneUser === null || otherUser === null || oneUser === otherUser) &&
          members.length <= this.#settings.identity_set_limit &&
          [...types].every(
            (type) => members.filter((member) => member.type === type).length <= this.#limitOf(type),
          );
      }
      if (!link.isAccepted) continue;
      for (const member of members) sets.set(keyOf(member), members);
    }
    for (const members of new Set(sets.values())) {
      if (members.length === 1) continue;
      const [first] = joinsOf(members).sort(byJoin);
      const anchor = first
        ? userOf(first.other.value)
        : members.toSorted((a, b) => this.#bySighting(a, b))[0]!;
      for (const member of members) {
        if (!this.#firstJoins.has(keyOf(member))) this.#assigned.set(keyOf(member), anchor);
      }
    }
  }

  /** Which identity was seen first; of one touchpoint the leading one. */
  #bySighting(a: Anchor, b: Anchor): number {
    const [one, other] = [a, b].map((identity) => this.#sightings.get(keyOf(identity))?.touchpoints[0]);
    if (!one || !other) {
      // what was only ever named by hand comes last
      return Number(!one) - Number(!other) || byText(a.type, b.type) || byText(a.value, b.value);
    }
    const isLed = (identity: Anchor, by: Touchpoint): boolean => keyOf(leadOf(by)) === keyOf(identity);
    return (
      byOrder(one, other) ||
      Number(isLed(b, other)) - Number(isLed(a, one)) ||
      byText(a.type, b.type) ||
      byText(a.value, b.value)
    );
  }

  #isJoined(identity: Anchor, user: string): boolean {
    return this.#links.get(`${keyOf(identity)} ${keyOf(userOf(user))}`)!.isAccepted;
  }

  /** The user of an identity at a touchpoint that carries no user id of its own. */
  #baseOf(identity: Anchor, at: Touchpoint): string | null {
    let users = this.#users.get(keyOf(identity));
    if (!users) {
      const seen = this.#sightings.get(keyOf(identity))?.touchpoints ?? [];
      users = seen
        .filter(({ user_id }) => user_id !== null && this.#isJoined(identity, user_id))
        .map((touchpoint) => ({ from: touchpoint, user: touchpoint.user_id! }));
      // What an alias or somebody says counts where no user was known before.
      const first = this.#firstJoins.get(keyOf(identity));
      if (first?.word === 'merge') users.unshift({ from: null, user: first.other.value });
      else if (first?.cause === 'alias') users.unshift({ from: first.first!, user: first.other.value });
      this.#users.set(keyOf(identity), users);
    }
    const last = users.findLast(({ from }) => from === null || byOrder(from, at) <= 0) ?? users[0];
    return last?.user ?? null;
  }

  #spellsOf(identity: Anchor, touchpoints: Touchpoint[]): Spell[] {
    const spells: Spell[] = [];
    for (const touchpoint of touchpoints) {
      const user = touchpoint.user_id ?? this.#baseOf(identity, touchpoint);
      const last = spells.at(-1);
      if (last && last.user === user) {
        last.touchpoints.push(touchpoint);
        continue;
      }
      const isRefused = touchpoint.user_id !== null && !this.#isJoined(identity, touchpoint.user_id);
      spells.push({ user, isRefused, touchpoints: [touchpoint] });
    }
    return spells;
  }

  #anchorOf(identity: Anchor, user: string | null): Anchor {
    if (user !== null) return userOf(this.#userOf(user));
    const assigned = this.#assigned.get(keyOf(identity)) ?? identity;
    return assigned.type === 'user_id' ? userOf(this.#userOf(assigned.value)) : assigned;
  }

  anchorOf(touchpoint: Touchpoint): Anchor {
    const lead = leadOf(touchpoint);
    return this.#anchorOf(lead, touchpoint.user_id ?? this.#baseOf(lead, touchpoint));
  }

  personOf(touchpoint: Touchpoint): string {
    return personIdOf(this.#settings.person_secret, this.anchorOf(touchpoint));
  }

  /** The rows of journey.identities. */
  rows(): Record<string, unknown>[] {
    const secret = this.#settings.person_secret;
    const rows: Record<string, unknown>[] = [];
    const rowOf = (identity: Anchor, anchor: Anchor, spell: Spell, index: number, cause: string) => ({
      person_id: personIdOf(secret, anchor),
      type: identity.type,
      value: identity.value,
      first_seen_at: isoOf(spell.touchpoints[0]!.occurred_at),
      last_seen_at: isoOf(spell.touchpoints.at(-1)!.occurred_at),
      valid_from: isoOf(spell.touchpoints[0]!.occurred_at),
      valid_to: null as string | null,
      cause,
      former_person_id:
        index === 0 && keyOf(anchor) !== keyOf(identity) ? personIdOf(secret, identity) : null,
    });
    for (const user of distinct(this.#touchpoints.map((touchpoint) => touchpoint.user_id))) {
      const touchpoints = this.#touchpoints.filter((touchpoint) => touchpoint.user_id === user);
      const anchor = userOf(this.#userOf(user));
      const cause =
        anchor.value === user ? 'seen' : this.#isNamedByHand('alias', userOf(user)) ? 'manual' : 'alias';
      rows.push(rowOf(userOf(user), anchor, { user, isRefused: false, touchpoints }, 0, cause));
    }
    for (const [key, spells] of this.#spells) {
      const { identity } = this.#sightings.get(key)!;
      spells.forEach((spell, index) => {
        const anchor = this.#anchorOf(identity, spell.user);
        const row = rowOf(identity, anchor, spell, index, this.#causeOf(identity, spell, index));
        const next = spells[index + 1];
        rows.push({ ...row, valid_to: next ? isoOf(next.touchpoints[0]!.occurred_at) : null });
      });
    }
    return rows;
  }

  #causeOf(identity: Anchor, spell: Spell, index: number): string {
    if (spell.user === null) {
      const anchor = this.#assigned.get(keyOf(identity)) ?? identity;
      if (keyOf(anchor) === keyOf(identity)) return 'seen';
      return this.#isNamedByHand('share', identity) ? 'manual' : 'shared_identity';
    }
    if (spell.isRefused) return 'refused';
    if (index > 0) return 'reassigned';
    const link = this.#links.get(`${keyOf(identity)} ${keyOf(userOf(spell.user))}`)!;
    return link.word === 'merge' ? 'manual' : link.cause;
  }

  /** Whether somebody merged an identity by hand: a user id into another, another with any. */
  #isNamedByHand(kind: 'alias' | 'share', identity: Anchor): boolean {
    const key = keyOf(identity);
    return [...this.#links.values()].some(
      (link) =>
        link.kind === kind &&
        link.word === 'merge' &&
        link.isAccepted &&
        (keyOf(link.one) === key || (kind === 'share' && keyOf(link.other) === key)),
    );
  }

  /** The rows of journey.identity_links. */
  linkRows(): Record<string, unknown>[] {
    return [...this.#links.values()].map((link) => ({
      kind: link.kind,
      type: link.one.type,
      value: link.one.value,
      other_type: link.other.type,
      other_value: link.other.value,
      cause: link.word === 'merge' ? 'manual' : link.cause,
      state: link.isAccepted ? 'accepted' : 'refused',
      reason: link.isAccepted ? null : link.word === 'sever' ? 'severed' : 'limit',
      first_seen_at: link.first && isoOf(link.first.occurred_at),
      touchpoint_id: link.first?.touchpoint_id ?? null,
    }));
  }
}

/** Joins by hand first, the latest of them before the others; then in the order of time. */
function byJoin(a: Link, b: Link): number {
  const byHand = Number(b.word === 'merge') - Number(a.word === 'merge');
  if (byHand !== 0) return byHand;
  return a.word === 'merge' ? b.wordAt - a.wordAt : byOrder(a.first!, b.first!);
}

/** The anonymous id, else the user id, else the first of the others. */
function leadOf(touchpoint: Touchpoint): Anchor {
  if (touchpoint.anonymous_id !== null) return { type: 'anonymous_id', value: touchpoint.anonymous_id };
  if (touchpoint.user_id !== null) return userOf(touchpoint.user_id);
  return typedOf(touchpoint)[0]!;
}

function typedOf({ identities }: Touchpoint): Anchor[] {
  return Object.entries(identities ?? {})
    .sort(([a], [b]) => byText(a, b))
    .flatMap(([type, values]) => values.map((value) => ({ type, value })));
}

/** The other identities that a touchpoint speaks for: by write key they are claims. */
function carriedBy(touchpoint: Touchpoint): Anchor[] {
  return touchpoint.is_trusted ? typedOf(touchpoint) : [];
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
