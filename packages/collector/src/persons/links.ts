/** An identity as it is written: `user_id` ada, `anonymous_id` 4711. */
export type Identity = { type: string; value: string };

/** A pair of identities that joins persons. Of an alias `one` is the user id merged into the other. */
export type Link = { kind: 'join' | 'share' | 'alias'; one: Identity; other: Identity };

export const keyOf = ({ type, value }: Identity): string => `${type}:${value}`;

/**
 * The links to sever so that a user id is its own person again, with all that were merged into it before.
 * `aliases`: the accepted ones of all users concerned, in the order they are settled in.
 */
export function cutsOfUser(user: Identity, aliases: Link[]): Link[] {
  const anchors = new Map<string, string>();
  const anchorOf = (key: string): string => anchors.get(key) ?? key;
  const own = keyOf(user);
  return aliases.filter(({ one, other }) => {
    const [from, into] = [anchorOf(keyOf(one)), anchorOf(keyOf(other))];
    if (from === into) return false;
    if (from === own) return true;
    for (const key of [from, ...anchors.keys()]) if (anchorOf(key) === from) anchors.set(key, into);
    return false;
  });
}

/**
 * The links to sever so that another identity is by itself again, with what it was seen with and nobody else's.
 * `shares`: the accepted ones of its set, in the order they are settled in. `isElsewhere`: identities that have a user,
 * or were seen first and so would give their name to it.
 */
export function cutsOfIdentity(
  identity: Identity,
  { joins, shares, isElsewhere }: { joins: Link[]; shares: Link[]; isElsewhere: (key: string) => boolean },
): Link[] {
  const sets = new Map<string, Set<string>>();
  const setOf = (key: string): Set<string> => sets.get(key) ?? new Set([key]);
  const own = keyOf(identity);
  const cut = shares.filter((link) => {
    const [one, other] = [setOf(keyOf(link.one)), setOf(keyOf(link.other))];
    if (one === other || one.has(keyOf(link.other))) return false;
    const stranger = one.has(own) ? other : other.has(own) ? one : undefined;
    if (stranger && [...stranger].some(isElsewhere)) return true;
    const union = new Set([...one, ...other]);
    for (const key of union) sets.set(key, union);
    return false;
  });
  return [...joins, ...cut];
}
