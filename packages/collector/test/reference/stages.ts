import { ecommerce, machineOf, stateOfOverride } from './machine.ts';
import type { Order } from './orders.ts';
import {
  byOrder,
  day,
  groupedBy,
  isAct,
  isHuman,
  isoOf,
  second,
  type Override,
  type Settings,
  type Touchpoint,
} from './inputs.ts';
import { isOrder, refundedOf } from './orders.ts';
import type { Identities } from './identity.ts';

export type Transition = {
  person_id: string;
  journey_number: number;
  from_stage: string | null;
  to_stage: string;
  at: number;
  touchpoint_id: string | null;
  cause: 'touchpoint' | 'timer' | 'override';
  signal: string | null;
  since: number | null;
};

export type Standing = { transitions: Transition[]; lastSignalAt: number | null };

/** The machine of a site's model. */
export function machineAt(settings: Settings) {
  return settings.model === null ? ecommerce : machineOf(settings.model);
}

/** Section 3: when somebody was found to be no human, by more touchpoints within 24 hours than the limit. */
export function runawayAt(touchpoints: Touchpoint[], { runaway_limit: limit }: Settings): number | null {
  const times = touchpoints.filter(isHuman).map(({ occurred_at }) => occurred_at);
  times.sort((a, b) => a - b);
  const last = times.findIndex((at, index) => index >= limit && at - times[index - limit]! < day);
  return last < 0 ? null : times[last]!;
}

/** Replays one person's touchpoints and timers up to `as_of`. */
export function standingOf(
  person_id: string,
  touchpoints: Touchpoint[],
  orders: Order[],
  { settings, overrides }: { settings: Settings; overrides: Override[] },
  asOf: number,
): Standing | null {
  const machine = machineAt(settings);
  const purchases = new Set(orders.map((order) => order.signal.touchpoint_id));
  const transitions: Transition[] = [];
  let state = 'nobody';
  let journey = 1;
  let lastSignalAt: number | null = null;
  let override: Override | null = null;
  const current = (): Override | null => override;

  const move = (
    target: string,
    cause: Pick<Transition, 'at' | 'cause' | 'touchpoint_id' | 'signal'>,
  ): void => {
    if (target.endsWith('★')) journey += 1;
    const last = transitions.at(-1);
    state = target.replace('★', '');
    transitions.push({
      person_id,
      journey_number: journey,
      from_stage: last?.to_stage ?? null,
      to_stage: machine.stageOf(state),
      since: last?.at ?? null,
      ...cause,
    });
  };
  const letTimePass = (until: number): void => {
    for (;;) {
      const timer = machine.timer(state);
      if (timer === undefined) return;
      const at = Math.max(lastSignalAt ?? 0, current()?.from ?? 0) + timer.after;
      if (at > until || at < (current()?.until ?? 0)) return;
      move(timer.to, { at, cause: 'timer', touchpoint_id: null, signal: null });
    }
  };

  // An override comes first at its instant.
  const toCome = overrides.filter(({ stage }) => machine.stages.includes(stage)).sort(inOrderOfTime);
  const place = (until: number): void => {
    for (let next = toCome[0]; next && next.from <= until; next = toCome[0]) {
      toCome.shift();
      letTimePass(next.from);
      override = next;
      move(stateOfOverride(machine, state, next.stage)!, {
        at: next.from,
        cause: 'override',
        touchpoint_id: null,
        signal: null,
      });
    }
  };

  const signalling = runawayAt(touchpoints, settings) === null ? touchpoints : [];
  for (const touchpoint of signalling.filter(isHuman).filter(isAct).sort(byOrder)) {
    const said = machine.signalOf(touchpoint);
    if (said === null) continue;
    // Of the touchpoints of an order one alone gives the purchase signal.
    if (said === 'purchase' && isOrder(touchpoint) && !purchases.has(touchpoint.touchpoint_id)) continue;
    place(touchpoint.occurred_at);
    letTimePass(touchpoint.occurred_at);
    if (touchpoint.occurred_at < (current()?.until ?? 0)) {
      lastSignalAt = touchpoint.occurred_at;
      continue;
    }
    const isReturn =
      machine.returning.includes(said) &&
      lastSignalAt !== null &&
      touchpoint.occurred_at - lastSignalAt >= settings.session_gap;
    // Where a return leads nowhere of its own it is as the touch or consider that it is.
    const target = (isReturn ? machine.target(state, 'return') : undefined) ?? machine.target(state, said);
    if (target) {
      move(target, {
        at: touchpoint.occurred_at,
        cause: 'touchpoint',
        touchpoint_id: touchpoint.touchpoint_id,
        signal: isReturn ? 'return' : said,
      });
    }
    lastSignalAt = touchpoint.occurred_at;
  }
  place(Number.POSITIVE_INFINITY);
  letTimePass(asOf);
  return transitions.length === 0 ? null : { transitions, lastSignalAt };
}

function inOrderOfTime(one: Override, other: Override): number {
  return one.from - other.from || (one.override_id < other.override_id ? -1 : 1);
}

/** One row of journey.stage_transitions, without its id, rule and author. */
export function transitionRow(transition: Transition, settings: Settings) {
  const { stages } = machineAt(settings);
  const from = transition.from_stage === null ? -1 : stages.indexOf(transition.from_stage);
  const to = stages.indexOf(transition.to_stage);
  return {
    person_id: transition.person_id,
    journey_number: transition.journey_number,
    from_stage: transition.from_stage,
    to_stage: transition.to_stage,
    occurred_at: isoOf(transition.at),
    touchpoint_id: transition.touchpoint_id,
    cause: transition.cause,
    signal: transition.signal,
    model_version: settings.model_version,
    direction: to > from ? 'forward' : to < from ? 'backward' : 'same',
    skipped_stages: stages.slice(from + 1, Math.max(to, from + 1)),
    seconds_in_from_stage: transition.since === null ? null : (transition.at - transition.since) / second,
  };
}

/** One row of journey.current_stages. */
export function currentStageRow(standing: Standing, orders: Order[], settings: Settings, asOf: number) {
  const { stages } = machineAt(settings);
  const last = standing.transitions.at(-1)!;
  const reached = standing.transitions.map(({ to_stage }) => stages.indexOf(to_stage));
  return {
    person_id: last.person_id,
    stage: last.to_stage,
    furthest_stage: stages[Math.max(...reached)],
    since: isoOf(last.at),
    journey_number: last.journey_number,
    ...customerOf(orders),
    orders: orders.length,
    lapsed:
      orders.length > 0 &&
      (standing.lastSignalAt === null ? null : asOf >= standing.lastSignalAt + settings.lapsed_after),
    last_signal_at: standing.lastSignalAt === null ? null : isoOf(standing.lastSignalAt),
    model_version: settings.model_version,
  };
}

export function customerOf(orders: Order[]) {
  return {
    is_customer: orders.length > 0,
    customer_status: ['lead', 'customer'][orders.length] ?? 'repeat_customer',
    is_fully_refunded:
      orders.length > 0 && orders.every((order) => order.gross > 0n && refundedOf(order) === order.gross),
  };
}

/** The touchpoints of each person, in order. */
export function byPerson(touchpoints: Touchpoint[], identities: Identities): Map<string, Touchpoint[]> {
  return groupedBy([...touchpoints].sort(byOrder), (touchpoint) => identities.personOf(touchpoint));
}
