import { setTimeout as sleep } from 'node:timers/promises';

/** Starts a PostgreSQL that was killed. Its processes need a moment to see that their parent is gone; until then they hold its memory. */
export async function startedAgain<Server>(start: () => Promise<Server>): Promise<Server> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
    } catch (error) {
      if (attempt === 240) throw error;
      await sleep(250);
    }
  }
}
