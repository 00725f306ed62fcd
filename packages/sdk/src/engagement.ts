/** A stopwatch for the time that a page is in the foreground. `now` may be any clock that never goes back. */
export function createEngagement(now: () => number, isForeground: () => boolean) {
  let total = 0;
  let runningSince: number | undefined;

  return {
    /** To be called whenever the answer of `isForeground` may have changed. */
    update() {
      const time = now();
      if (runningSince !== undefined) total += time - runningSince;
      runningSince = isForeground() ? time : undefined;
    },
    /** Whole milliseconds since it was last taken, and starts again; 0 below one second, which stay for later. */
    take(): number {
      this.update();
      const taken = total < 1_000 ? 0 : Math.round(total);
      if (taken) total = 0;
      return taken;
    },
  };
}
