import { describe, expect, test } from 'vitest';

import { batched } from './batches.ts';
import { benchBatches } from './bench.ts';
import { type TrafficOptions, traffic } from './traffic.ts';

const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 1);
const options: TrafficOptions = {
  seed: 7,
  persons: 400,
  startMs,
  untilMs: startMs + 30 * dayMs,
  sites: 1,
  origin: 'https://shop.example',
};

describe('simulated traffic', () => {
  const emissions = [...traffic(options)];
  const names = new Set(emissions.map(({ touchpoint }) => touchpoint.name));

  test('is the same for the same seed, and another for another', () => {
    expect([...traffic(options)]).toEqual(emissions);
    expect([...traffic({ ...options, seed: 8 })]).not.toEqual(emissions);
  });

  test('keeps its distances in time when it begins at another instant', () => {
    const later = [...traffic({ ...options, startMs: startMs + dayMs, untilMs: options.untilMs + dayMs })];
    const distances = (list: typeof emissions, fromMs: number) =>
      list.map(({ touchpoint }) => Date.parse(touchpoint.occurred_at) - fromMs);
    expect(distances(later, startMs + dayMs)).toEqual(distances(emissions, startMs));
  });

  test('is sent in order, some of it late', () => {
    const sendTimes = emissions.map(({ sendAtMs }) => sendAtMs);
    expect(sendTimes).toEqual([...sendTimes].sort((one, other) => one - other));
    const late = emissions.filter(
      ({ sendAtMs, touchpoint }) => sendAtMs - Date.parse(touchpoint.occurred_at) > 50_000,
    );
    expect(late.length / emissions.length).toBeGreaterThan(0.003);
    expect(late.length / emissions.length).toBeLessThan(0.03);
  });

  test.each([
    'page_view',
    'view_item',
    'add_to_cart',
    'begin_checkout',
    'purchase',
    'login',
    'refund',
    'review_submitted',
  ])('has %s in it', (name) => {
    expect(names).toContain(name);
  });

  test('has persons on several devices and browsers that several persons use', () => {
    const users = new Map<string, Set<string>>();
    const browsers = new Map<string, Set<string>>();
    for (const { touchpoint } of emissions) {
      const { anonymous_id: browser, user_id: user } = touchpoint;
      if (browser === undefined || user === undefined) continue;
      users.set(browser, (users.get(browser) ?? new Set()).add(user));
      browsers.set(user, (browsers.get(user) ?? new Set()).add(browser));
    }
    expect([...browsers.values()].some((set) => set.size > 1)).toBe(true);
    expect([...users.values()].some((set) => set.size > 1)).toBe(true);
  });

  test('comes in batches of up to twenty, some of them twice', () => {
    const batches = [...batched(emissions, { seed: 7, resendShare: 0.1 })];
    const ids = batches.flatMap((batch) =>
      batch.isResend ? [] : batch.events.map((event) => (JSON.parse(event) as { id: string }).id),
    );
    expect(new Set(ids)).toEqual(new Set(emissions.map(({ touchpoint }) => touchpoint.id)));
    expect(ids.length).toBe(emissions.length);
    expect(batches.some((batch) => batch.isResend)).toBe(true);
    expect(Math.max(...batches.map((batch) => batch.events.length))).toBe(20);
  });
});

describe('the bench profile', () => {
  const touchpoints = 40_000;
  const batches = [...benchBatches({ seed: 1, touchpoints, startMs })];
  type Event = { id: string; name: string; anonymous_id: string; user_id?: string; occurred_at: string };
  const events = batches
    .filter((batch) => !batch.isResend)
    .flatMap((batch) => batch.events.map((text) => JSON.parse(text) as Event));

  test('makes as many different touchpoints as asked for, the same for a seed', () => {
    expect(events.length).toBe(touchpoints);
    expect(new Set(events.map(({ id }) => id)).size).toBe(touchpoints);
    expect([...benchBatches({ seed: 1, touchpoints, startMs })]).toEqual(batches);
  });

  test('keeps its shares', () => {
    const share = (count: number, of: number) => count / of;
    const purchases = events.filter(({ name }) => name === 'purchase').length;
    const known = events.filter(({ user_id: user }) => user !== undefined).length;
    const resends = batches.filter(({ isResend }) => isResend).length;
    expect(share(purchases, touchpoints / 8)).toBeCloseTo(0.03, 1.7);
    expect(share(known, touchpoints)).toBeCloseTo(0.075, 1.5);
    expect(share(resends, batches.length)).toBeCloseTo(0.01, 1.9);
    expect(new Set(batches.map(({ site }) => site)).size).toBe(5);
  });

  test('interleaves sessions as real traffic does', () => {
    const visitors = new Set(events.slice(20_000, 22_000).map(({ anonymous_id: visitor }) => visitor));
    expect(visitors.size).toBeGreaterThan(1_000);
  });
});
