/** Accounts: who belongs to which, since when and as what; what is told of them, and the stage of their furthest member. */
import { figureOf } from './amounts.ts';
import { groupedBy, isoOf, type Json, type JsonObject, type Settings, type Touchpoint } from './inputs.ts';

type Row = Record<string, unknown>;

/** What the reference model knows of a person by now. */
export type Member = {
  person_id: string;
  user_id: string | null;
  stage: string | null;
  furthest_stage: string | null;
  order_count: number;
  /** In hundredths of cents, as amounts are reckoned. */
  net: bigint;
  /** All touchpoints, in order. */
  own: Touchpoint[];
};

type Membership = { account_id: string; role: string | null; from: number; to: number | null };

const accountsAtOnce = 100;

/** The rows of `accounts` and `account_members`. Touchpoints in order. */
export function accountViews(
  touchpoints: Touchpoint[],
  members: Member[],
  { stages, settings }: { stages: string[]; settings: Settings },
): { accounts: Row[]; account_members: Row[] } {
  const memberships = members.flatMap((member) =>
    membershipsOf(member.own).map((membership) => ({ ...membership, member })),
  );
  const named = groupedBy(
    touchpoints.filter(({ account_id }) => account_id !== null),
    ({ account_id }) => account_id!,
  );
  const accounts = [...named].map(([account_id, about]) => {
    const present = memberships
      .filter((membership) => membership.account_id === account_id && membership.to === null)
      .map(({ member }) => member);
    const held = present.flatMap(({ stage }) => (stage === null ? [] : [stage]));
    return {
      account_id,
      stage: stages.findLast((stage) => held.includes(stage)) ?? null,
      member_count: present.length,
      members_by_stage: Object.fromEntries(
        [...groupedBy(held, (stage) => stage)].map(([stage, { length }]) => [stage, length]),
      ),
      traits: traitsTold(about),
      first_seen_at: isoOf(about[0]!.occurred_at),
      last_seen_at: isoOf(about.at(-1)!.occurred_at),
      order_count: present.reduce((sum, { order_count }) => sum + order_count, 0),
      net_revenue: figureOf(present.reduce((sum, { net }) => sum + net, 0n)),
      currency: settings.currency,
    };
  });
  return {
    accounts,
    account_members: memberships.map(({ account_id, role, from, to, member }) => ({
      account_id,
      person_id: member.person_id,
      user_id: member.user_id,
      role,
      stage: member.stage,
      furthest_stage: member.furthest_stage,
      valid_from: isoOf(from),
      valid_to: to === null ? null : isoOf(to),
      order_count: member.order_count,
      net_revenue: figureOf(member.net),
    })),
  };
}

/** A group call makes its person a member, and so does being added; being removed, or a call that says so, ends it. */
function membershipsOf(own: Touchpoint[]): Membership[] {
  const all: Membership[] = [];
  for (const touchpoint of own) {
    const { account_id, type, name, occurred_at } = touchpoint;
    const isCall = type === 'group';
    if (account_id === null) continue;
    if (!isCall && name !== 'account_added_user' && name !== 'account_removed_user') continue;
    const present = all.filter(({ to }) => to === null);
    let membership = present.find((one) => one.account_id === account_id);
    const hasLeft =
      name === 'account_removed_user' ||
      (isCall && (says(touchpoint, 'left', true) || says(touchpoint, 'is_member', false)));
    if (hasLeft) {
      if (membership) membership.to = occurred_at;
      continue;
    }
    if (!membership) {
      if (present.length >= accountsAtOnce) continue;
      membership = { account_id, role: null, from: occurred_at, to: null };
      all.push(membership);
    }
    const role = said(touchpoint, 'role');
    if (typeof role === 'number') membership.role = String(role);
    else if (role !== undefined) membership.role = typeof role === 'string' && role !== '' ? role : null;
  }
  return all;
}

function said({ properties, traits }: Touchpoint, key: string): Json | undefined {
  return properties?.[key] !== undefined ? properties[key] : traits?.[key];
}

function says(touchpoint: Touchpoint, key: string, wanted: boolean): boolean {
  const value = said(touchpoint, key);
  return value === wanted || value === String(wanted);
}

/**
 * Per key the latest value told by secret key, else the latest told by write key; null deletes. Of more than 500 keys those
 * told last.
 */
function traitsTold(about: Touchpoint[]): JsonObject {
  const told = new Map<string, { value: Json; turn: number }>();
  const calls = about.filter(({ type }) => type === 'group');
  const byTrust = [...calls.filter((call) => !call.is_trusted), ...calls.filter((call) => call.is_trusted)];
  for (const [turn, { traits }] of byTrust.entries()) {
    for (const [key, value] of Object.entries(traits ?? {})) {
      if (!['role', 'left', 'is_member', 'email', 'phone'].includes(key)) told.set(key, { value, turn });
    }
  }
  const last = [...told]
    .sort(([a, one], [b, other]) => other.turn - one.turn || (a < b ? -1 : 1))
    .slice(0, 500);
  return Object.fromEntries(last.flatMap(([key, { value }]) => (value === null ? [] : [[key, value]])));
}
