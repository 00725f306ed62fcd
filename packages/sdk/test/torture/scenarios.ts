import { setTimeout as sleep } from 'node:timers/promises';

import type { Need } from './browsers.ts';
import { until, type Visit } from './visit.ts';

/** One way to lose events. */
export type Scenario = {
  name: string;
  what: string;
  /** What the browser must be able to do; where it cannot, it is imitated, and the result says so. */
  needs?: Need;
  /** What must be true of the profile before the tracker is loaded. */
  before?(visit: Visit): Promise<void>;
  /** What happens. When it resolves, nothing is in the way any more. */
  act(visit: Visit): Promise<void>;
  /** How many visits may run at a time: many where most of the time is waiting. */
  lanes: number;
  /** The page is gone: what has not left by now waits for the next one. */
  isGone?: true;
  /** Ends where the page ends: what it keeps in memory has no later. */
  isWithoutReturn?: true;
  /** Recovery is promised to take less than this many seconds. */
  recovery?: number;
};

/** Everything that is promised to lose nothing. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'nav',
    what: 'navigate away in the click handler',
    isGone: true,
    lanes: 3,
    async act(visit) {
      const from = visit.fired;
      visit.fired += 3;
      await visit.page.evaluate(
        ([run, from, next]) => {
          const link = document.querySelector<HTMLAnchorElement>('#next')!;
          link.href = next;
          link.addEventListener('click', () => window.fire(run, from, 3, 0));
        },
        [visit.run, from, visit.address('/plain')] as const,
      );
      await visit.page.click('#next');
      await visit.page.waitForURL('**/plain**');
    },
  },
  {
    name: 'close',
    what: 'tab closed 0 to 270 ms after the calls',
    isGone: true,
    lanes: 3,
    async act(visit) {
      await visit.fire(3);
      await sleep((visit.index % 4) * 90);
      await visit.page.close({ runBeforeUnload: true });
    },
  },
  {
    name: 'down',
    what: 'collector down for 5 s',
    lanes: 7,
    recovery: 2,
    async act(visit) {
      await visit.gate.shut();
      await visit.fire(3);
      await sleep(5_000);
      await visit.gate.open();
      visit.free();
    },
  },
  {
    name: 'down-across',
    what: 'collector down across a reload',
    lanes: 7,
    async act(visit) {
      await visit.gate.shut();
      await visit.fire(3);
      await sleep(100 + (visit.index % 5) * 100);
      await visit.page.reload();
      await sleep(1_500);
      await visit.gate.open();
      visit.free();
    },
  },
  {
    name: '503',
    what: '503 once',
    lanes: 4,
    async act(visit) {
      visit.gate.answerNext(503);
      await visit.fire(3);
      await until(() => visit.gate.passed.some(({ status }) => status === 503), 6_000);
      visit.free();
    },
  },
  {
    name: '429',
    what: '429 with Retry-After: 2',
    lanes: 5,
    async act(visit) {
      visit.gate.answerNext(429, { 'retry-after': '2' });
      await visit.fire(3);
      await until(() => visit.gate.passed.some(({ status }) => status === 429), 6_000);
      const refused = visit.gate.passed.findIndex(({ status }) => status === 429);
      visit.free();
      const resent = () => visit.gate.passed.slice(refused + 1).find(({ method }) => method === 'POST');
      await until(() => resent() !== undefined, 6_000);
      const [first, second] = [visit.gate.passed[refused], resent()];
      if (first && second) visit.notes['resent_after_s'] = (second.at - first.at) / 1_000;
    },
  },
  {
    name: 'answer-lost',
    what: 'the collector takes it, and its answer never arrives',
    lanes: 4,
    async act(visit) {
      visit.gate.swallowNext();
      await visit.fire(3);
      await until(() => visit.gate.accepted.size > 0, 6_000);
      visit.free();
    },
  },
  {
    name: 'offline',
    what: 'offline for 3 s',
    lanes: 7,
    recovery: 2,
    async act(visit) {
      await visit.context.setOffline(true);
      await visit.fire(3);
      await sleep(3_000);
      await visit.context.setOffline(false);
      visit.free();
    },
  },
  {
    name: 'burst',
    what: '100 × 2 KB in one task',
    lanes: 2,
    act: (visit) => visit.fire(100, { bytes: 2_000 }),
  },
  {
    name: 'burst-nav',
    what: '100 × 2 KB in one task, then navigation',
    isGone: true,
    lanes: 2,
    act: (visit) => visit.fireAndLeave(100, 2_000),
  },
  { name: 'big', what: 'one event of 80 KB', lanes: 3, act: (visit) => visit.fire(1, { bytes: 80_000 }) },
  {
    name: 'two-tabs',
    what: 'two tabs call 20 times each, one is closed after its last call',
    lanes: 3,
    async act(visit) {
      const other = await visit.open('/other');
      for (let round = 0; round < 4; round++) {
        await Promise.all([visit.fire(5), visit.fire(5, { page: other })]);
        await sleep(round * (60 + (visit.index % 3) * 40));
      }
      await other.close({ runBeforeUnload: true });
    },
  },
  {
    name: 'bfcache',
    what: 'calls before and after a round trip through the back/forward cache',
    needs: 'back/forward cache',
    lanes: 3,
    async act(visit) {
      if (visit.ground.profiles.has) {
        await sleep((visit.index % 4) * 90);
        await visit.page.evaluate(() => delete window.isRestored);
        await visit.fireAndLeave(2);
        await visit.page.evaluate(() => history.back()).catch(() => {}); // the page that is asked goes away
        await visit.page.waitForURL('**/shop**', { waitUntil: 'commit' }); // a restored page loads nothing
        await visit.page.waitForFunction(() => window.isRestored !== undefined);
      } else {
        await visit.fire(2);
        await visit.page.evaluate(() => {
          dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
          dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
        });
      }
      visit.notes['restored'] = (await visit.page.evaluate(() => window.isRestored)) === true ? 1 : 0;
      await visit.fire(2);
    },
  },
  {
    name: 'crash',
    what: 'renderer crash 100 to 380 ms after the last call',
    isGone: true,
    lanes: 3,
    async act(visit) {
      await visit.fire(3);
      await sleep(100 + (visit.index % 5) * 70);
      const crashed = new Promise((resolve) => visit.page.once('crash', resolve));
      await visit.page.goto('chrome://crash').catch(() => {}); // it is never there
      await crashed;
      await visit.page.close();
    },
  },
  {
    name: 'storage-full',
    what: 'storage full, and a 503',
    lanes: 3,
    isWithoutReturn: true,
    async before(visit) {
      const page = await visit.open('/plain');
      await page.evaluate(() => {
        for (let size = 1 << 20; size >= 1; size >>= 1) {
          for (let n = 0; n < 12; n++) {
            try {
              localStorage.setItem(`filler ${size} ${n}`, 'x'.repeat(size));
            } catch {
              break; // full for this size
            }
          }
        }
      });
      await page.close();
    },
    async act(visit) {
      visit.gate.answerNext(503);
      await visit.fire(20, { bytes: 500 });
    },
  },
  {
    name: 'storage-blocked',
    what: 'storage, cookies and locks refused by the browser, and a 503',
    needs: 'blocked storage',
    lanes: 2,
    isWithoutReturn: true,
    async before(visit) {
      if (visit.ground.profiles.has) return;
      await visit.context.addInitScript(() =>
        Object.defineProperty(window, 'localStorage', {
          get() {
            throw new DOMException('denied', 'SecurityError');
          },
        }),
      );
    },
    async act(visit) {
      visit.gate.answerNext(503);
      await visit.fire(3);
    },
  },
];
