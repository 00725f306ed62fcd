/** The rows of journey.stage_metrics and journey.funnel_stages, recounted from every transition. */
import { groupedBy, type Settings } from './inputs.ts';
import { dayOf } from './rates.ts';
import { machineAt, type Transition } from './stages.ts';

/** All transitions of one person, and the channel that brought them. */
export type Way = { channel: string; transitions: Transition[] };

type Stay = { channel: string; stage: string; from: number; to: string | null; length: number };

function staysOf({ channel, transitions }: Way): Stay[] {
  return transitions.map(({ to_stage, at }, index) => {
    const next = transitions[index + 1];
    return {
      channel,
      stage: to_stage,
      from: at,
      to: next?.to_stage ?? null,
      length: next ? next.at - at : 0,
    };
  });
}

/** A stay counts on the day it began, under its person's first channel. */
export function stageMetricsRows(ways: Way[], settings: Settings) {
  const { stages } = machineAt(settings);
  const keyOf = ({ from, channel, stage }: Stay) =>
    JSON.stringify({ day: dayOf(from, settings), channel, stage });
  return [...groupedBy(ways.flatMap(staysOf), keyOf)].map(([key, stays]) => {
    const ended = stays.filter(({ to }) => to !== null);
    const on = ended.filter(({ stage, to }) => stages.indexOf(to!) > stages.indexOf(stage));
    return {
      ...(JSON.parse(key) as { day: string; channel: string; stage: string }),
      entered: stays.length,
      left_count: ended.length,
      left_to: countsOf(ended.map(({ to }) => to!)),
      moved_on: on.length,
      conversion_to_next: on.length / stays.length,
      median_seconds: quantileOf(ended, 0.5, ({ to }) => to!),
      p90_seconds: quantileOf(ended, 0.9, ({ to }) => to!),
    };
  });
}

/** All persons, over all time. */
export function funnelRows(ways: Way[], settings: Settings) {
  const { stages } = machineAt(settings);
  const stays = ways.flatMap(staysOf);
  const furthest = ways.map(({ transitions }) =>
    Math.max(...transitions.map(({ to_stage }) => stages.indexOf(to_stage))),
  );
  const reachedBy = (index: number) => furthest.filter((position) => position >= index).length;
  return stages.map((stage, index) => {
    const ended = stays.filter((stay) => stay.stage === stage && stay.to !== null);
    const [reached, next] = [reachedBy(index), reachedBy(index + 1)];
    return {
      position: index + 1,
      stage,
      standing: ways.filter(({ transitions }) => transitions.at(-1)!.to_stage === stage).length,
      entered: ways.filter(({ transitions }) => transitions.some(({ to_stage }) => to_stage === stage))
        .length,
      reached,
      reached_next: next,
      conversion_to_next: index === stages.length - 1 || reached === 0 ? null : next / reached,
      left_count: ended.length,
      left_to: countsOf(ended.map(({ to }) => to!)),
      median_seconds: quantileOf(ended, 0.5),
      p90_seconds: quantileOf(ended, 0.9),
    };
  });
}

function countsOf(names: string[]): Record<string, number> {
  return Object.fromEntries([...groupedBy(names, (name) => name)].map(([name, all]) => [name, all.length]));
}

/** Between neighbours by their distance. Lengths of a group that are in one step of half a per cent count at their mean. */
function quantileOf(stays: Stay[], share: number, groupOf: (stay: Stay) => string = () => ''): number | null {
  if (stays.length === 0) return null;
  const stepOf = (stay: Stay) =>
    `${groupOf(stay)} ${stay.length === 0 ? '' : Math.floor(Math.log(stay.length / 1_000) * 200)}`;
  const lengths = [...groupedBy(stays, stepOf).values()]
    .flatMap((alike) =>
      alike.map(() => alike.reduce((sum, { length }) => sum + length, 0) / 1_000 / alike.length),
    )
    .sort((a, b) => a - b);
  const place = share * (lengths.length - 1);
  const [below, above] = [lengths[Math.floor(place)]!, lengths[Math.ceil(place)]!];
  return below + (place - Math.floor(place)) * (above - below);
}
