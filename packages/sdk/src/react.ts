import { createContext, createElement, useContext, useEffect, useState, type ReactNode } from 'react';
import { journeyEvent, type Journey } from './plugins/journey.ts';
import type { Tracker } from './types.ts';

/** A tracker that may have `journey()`. */
type Reading = Tracker & { journey?: () => Promise<Journey | undefined> };

const TrackerContext = createContext<Reading | undefined>(undefined);

/**
 * Gives the tracker to all components below. Make it once, outside of components: `createTracker` needs no document, so
 * the same module serves a server's rendering, where the tracker records nothing by itself.
 */
export function TrackerProvider({ tracker, children }: { tracker: Tracker; children?: ReactNode }) {
  return createElement(TrackerContext.Provider, { value: tracker }, children);
}

/** The tracker of the nearest `TrackerProvider`. Throws where there is none. */
export function useTracker(): Tracker {
  const tracker = useContext(TrackerContext);
  if (!tracker) throw new Error('useTracker needs a TrackerProvider above');
  return tracker;
}

/**
 * The visitor's own journey, kept up to date; needs the plug-in `journey()`. Undefined until it is known: that is also
 * what a server renders, unless it passes what it knows as `initial`.
 */
export function useJourney(initial?: Journey): Journey | undefined {
  const tracker = useTracker() as Reading;
  const [journey, setJourney] = useState(initial);
  useEffect(() => {
    const change = (event: Event) => setJourney((event as CustomEvent<Journey | undefined>).detail);
    addEventListener(journeyEvent, change);
    void tracker.journey?.().then((now) => now && setJourney(now));
    return () => removeEventListener(journeyEvent, change);
  }, [tracker]);
  return journey;
}
