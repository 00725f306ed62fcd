import { canonicalName } from '@milepost/shared';
import { modelSchema, type ModelDocument } from './document.ts';

/** A model, or the sentences that say what is wrong with it and what to do. */
export type Checked = { ok: true; model: ModelDocument } | { ok: false; problems: string[] };

/** Checks the document of a journey model. Every problem names the rule, transition or timer it is about. */
export function checkModel(document: unknown): Checked {
  const conditions = conditionProblems(document);
  if (conditions.length > 0) return { ok: false, problems: conditions };
  const parsed = modelSchema.safeParse(document);
  if (!parsed.success) {
    return { ok: false, problems: parsed.error.issues.map((issue) => shapeProblem(document, issue)) };
  }
  const model = parsed.data;
  const problems = [
    ...stateProblems(model),
    ...ruleProblems(model),
    ...transitionProblems(model),
    ...timerProblems(model),
  ];
  // Whether states can be reached means nothing while their names are wrong.
  if (problems.length === 0) problems.push(...reachProblems(model));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, model };
}

type Issue = { path: PropertyKey[]; message: string };

function shapeProblem(document: unknown, { path, message }: Issue): string {
  const [list, index] = path;
  const part = valueAt(document, path.slice(0, 2));
  const name = ['rule', 'name', 'state']
    .map((key) => valueAt(part, [key]))
    .find((value) => typeof value === 'string');
  const what: Record<string, string> = { rules: 'rule', states: 'state', timers: 'timer' };
  const kind = what[String(list)];
  const where =
    kind !== undefined && typeof index === 'number'
      ? [name === undefined ? `${kind} number ${index + 1}` : `${kind} ${name}`, ...path.slice(2).map(String)]
      : path.map(String);
  return `${where.join(', ') || 'the document'}: ${message}`;
}

function valueAt(value: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}

const conditionForms =
  'a condition is { all: [...] }, { any: [...] }, { not: ... }, or { property } with equals, in, exists, or at_least and at_most (of a share_of another property, if you wish)';

/** Conditions are looked at first and by hand: a union of shapes only says that none of them fits. */
function conditionProblems(document: unknown): string[] {
  const rules = valueAt(document, ['rules']);
  if (!Array.isArray(rules)) return [];
  return rules.flatMap((rule: unknown, index) => {
    const when = valueAt(rule, ['when']);
    if (when === undefined) return [];
    const name = valueAt(rule, ['rule']);
    const problem = conditionProblem(when);
    const where = typeof name === 'string' ? `rule ${name}` : `rule number ${index + 1}`;
    return problem === undefined ? [] : [`${where}: ${problem}`];
  });
}

const comparisons = ['equals', 'in', 'exists', 'at_least', 'at_most'];

/** What is wrong with the condition of a rule or a goal. */
export function conditionProblem(condition: unknown): string | undefined {
  const shown = JSON.stringify(condition);
  const notUnderstood = `the condition ${shown} is not understood; ${conditionForms}`;
  if (typeof condition !== 'object' || condition === null || Array.isArray(condition)) return notUnderstood;
  const given = condition as Record<string, unknown>;
  const keys = Object.keys(given);
  for (const list of ['all', 'any']) {
    if (!(list in given)) continue;
    const parts = given[list];
    if (keys.length > 1 || !Array.isArray(parts) || parts.length === 0) return notUnderstood;
    return parts.map(conditionProblem).find((problem) => problem !== undefined);
  }
  if ('not' in given) return keys.length > 1 ? notUnderstood : conditionProblem(given['not']);
  const unknown = keys.filter((key) => !['property', 'share_of', 'default', ...comparisons].includes(key));
  if (unknown.length > 0 || typeof given['property'] !== 'string') return notUnderstood;
  const used = comparisons.filter((key) => key in given);
  const isRange = used.length > 0 && used.every((key) => key === 'at_least' || key === 'at_most');
  if (!isRange && used.length !== 1) {
    return `the condition ${shown} compares ${given['property']} in ${used.length === 0 ? 'no way' : `several ways (${used.join(', ')})`}; give it one of equals, in, exists, at_least and at_most, and join several by all or any`;
  }
  if (isRange && used.some((key) => typeof given[key] !== 'number')) {
    return `the condition ${shown} compares with something that is no number; write at_least and at_most as numbers`;
  }
  if ('default' in given && !('share_of' in given)) {
    return `the condition ${shown} has a default without share_of; the default is what a missing share_of counts as`;
  }
  if ('share_of' in given && !isRange) {
    return `the condition ${shown} takes a share and compares it with nothing; add at_least or at_most`;
  }
  return undefined;
}

function stateProblems({ stages, states, signals, returning }: ModelDocument): string[] {
  const names = states.map(({ state }) => state);
  return [
    ...repeated(stages).map((stage) => `stage ${stage} stands twice in stages; take one out`),
    ...repeated(names).map((state) => `state ${state} stands twice in states; rename or take out one`),
    ...repeated(signals).map((signal) => `signal ${signal} stands twice in signals; take one out`),
    ...(names.includes('nobody')
      ? ['state nobody: the name is that of the beginning; give the state another']
      : []),
    ...states
      .filter(({ stage }) => !stages.includes(stage))
      .map(({ state, stage }) => `state ${state}: there is no stage ${stage}; ${thereAre(stages)}`),
    ...stages
      .filter((stage) => !states.some((one) => one.stage === stage))
      .map((stage) => `stage ${stage} has no state; add one to states, or take the stage out`),
    ...returning
      .filter((signal) => !signals.includes(signal))
      .map((signal) => `returning: there is no signal ${signal}; ${thereAre(signals)}`),
    ...(returning.length > 0 && !signals.includes('return')
      ? ['returning: there is no signal return for them to become; add it to signals']
      : []),
  ];
}

function ruleProblems({ rules, signals }: ModelDocument): string[] {
  const problems = repeated(rules.map(({ rule }) => rule)).map(
    (rule) => `rule ${rule} stands twice; rename one, since transitions tell the rule they come from`,
  );
  const taken = new Map<string, string>();
  for (const { rule, signal, events, when } of rules) {
    if (signal !== null && !signals.includes(signal)) {
      problems.push(`rule ${rule}: there is no signal ${signal}; add it to signals; ${thereAre(signals)}`);
    }
    if (signal === 'return') {
      problems.push(`rule ${rule}: return is what a pause makes of the signals in returning; use another`);
    }
    for (const event of repeated(events)) {
      problems.push(`rule ${rule}: the event ${event} stands twice; take one out`);
    }
    for (const event of events) {
      const canonical = canonicalName(event);
      if (canonical !== event) {
        problems.push(`rule ${rule}: the event ${event} is stored as ${canonical}; write that`);
      }
      const earlier = taken.get(event);
      if (earlier !== undefined) {
        problems.push(
          `rule ${rule}: the event ${event} never comes to it, since rule ${earlier} before it takes every ${event}; move it before that one, or take the event out`,
        );
      } else if (when === undefined) taken.set(event, rule);
    }
  }
  for (const [index, signal] of signals.entries()) {
    if (index === 0 || signal === 'return' || rules.some((rule) => rule.signal === signal)) continue;
    problems.push(`signal ${signal} is given by no rule; add a rule for it, or take it out`);
  }
  return problems;
}

function transitionProblems({ states, signals, transitions }: ModelDocument): string[] {
  const names = states.map(({ state }) => state);
  const problems: string[] = [];
  for (const [from, moves] of Object.entries(transitions)) {
    if (from !== 'nobody' && !names.includes(from)) {
      problems.push(
        `transitions: there is no state ${from}; add it to states; ${thereAre(['nobody', ...names])}`,
      );
    }
    for (const [signal, target] of Object.entries(moves)) {
      const where = `transition from ${from} on ${signal} to ${target}`;
      const to = target.replace(/\*$/, '');
      if (!signals.includes(signal)) {
        problems.push(`${where}: there is no signal ${signal}; ${thereAre(signals)}`);
      }
      if (!names.includes(to)) problems.push(`${where}: there is no state ${to}; ${thereAre(names)}`);
      if (from === 'nobody' && target.endsWith('*')) {
        problems.push(`${where}: the first journey has begun already; take the * away`);
      }
      if (from === 'nobody' && signal === 'return') {
        problems.push(`${where}: nobody can return before a first signal; take it out`);
      }
    }
  }
  if (Object.keys(transitions['nobody'] ?? {}).length === 0) {
    problems.push(
      'transitions: nobody leads nowhere; say where each first signal leads, as "nobody": { "touch": "awareness" }',
    );
  }
  return problems;
}

function timerProblems({ states, timers }: ModelDocument): string[] {
  const names = states.map(({ state }) => state);
  const problems = repeated(timers.map(({ state }) => state)).map(
    (state) => `timers: state ${state} has two; a state can wait for one alone, so take the others out`,
  );
  for (const { name, state, after_hours: hours, to } of timers) {
    const where = `timer ${name} of state ${state}`;
    if (!names.includes(state)) problems.push(`${where}: there is no such state; ${thereAre(names)}`);
    if (!names.includes(to)) problems.push(`${where}: there is no state ${to} to go to; ${thereAre(names)}`);
    const next = timers.find((timer) => timer.state === to);
    if (next !== undefined && next.after_hours <= hours) {
      problems.push(
        `${where}: it leads to ${to}, whose timer ${next.name} is due after ${next.after_hours} h already; hours count from the last signal, so give that one more than ${hours}`,
      );
    }
  }
  return problems;
}

/** States nobody comes to: neither by a signal nor by a timer. */
function reachProblems({ states, transitions, timers }: ModelDocument): string[] {
  const reached = new Set<string>();
  const toLookAt = ['nobody'];
  for (let from = toLookAt.pop(); from !== undefined; from = toLookAt.pop()) {
    const targets = [
      ...Object.values(transitions[from] ?? {}).map((target) => target.replace(/\*$/, '')),
      ...timers.filter(({ state }) => state === from).map(({ to }) => to),
    ];
    for (const target of targets) {
      if (reached.has(target)) continue;
      reached.add(target);
      toLookAt.push(target);
    }
  }
  return states
    .filter(({ state }) => !reached.has(state))
    .map(
      ({ state }) =>
        `state ${state} cannot be reached; add a transition or a timer that leads to it, or take it out`,
    );
}

function repeated(names: string[]): string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}

function thereAre(names: string[]): string {
  return `there are ${names.join(', ')}`;
}
