/** A stopwatch for the time that a page is in the foreground. `now` may be any clock that never goes back. */
export function createEngagement(now: () => number, isForeground: () => boolean) {
  let total = 0;
  let runningSince: number | undefined;

  /** To be called whenever the answer of `isForeground` may have changed. */
  const update = () => {
    const time = now();
    total += time - (runningSince ?? time);
    runningSince = isForeground() ? time : undefined;
  };

  return {
    update,
    /** Whole milliseconds since it was last taken, and starts again; 0 below one second, which stay for later. */
    take: () => {
      update();
      const taken = total;
      if (taken < 1_000) return 0;
      total = 0;
      return Math.round(taken);
    },
  };
}
