import {
  inject,
  onMounted,
  onUnmounted,
  shallowRef,
  type App,
  type InjectionKey,
  type ShallowRef,
} from 'vue';
import { journeyEvent, type Journey } from './plugins/journey.ts';
import type { Tracker } from './types.ts';

/** A tracker that may have `journey()`. */
type Reading = Tracker & { journey?: () => Promise<Journey | undefined> };

declare module 'vue' {
  interface ComponentCustomProperties {
    /** The tracker, in templates: `@click="$milepost.track('quiz_started')"`. */
    $milepost: Tracker;
  }
}

const key: InjectionKey<Reading> = Symbol('milepost');

/**
 * Vue's plug-in: `app.use(milepost(tracker))`. Make the tracker once, outside of components: `createTracker` needs no
 * document, so the same module serves a server's rendering, where the tracker records nothing by itself.
 */
export function milepost(tracker: Tracker) {
  return {
    install(app: App): void {
      app.provide(key, tracker);
      app.config.globalProperties.$milepost = tracker;
    },
  };
}

/** The app's tracker. Throws where `milepost` is not installed. */
export function useTracker(): Tracker {
  const tracker = inject(key, undefined);
  if (!tracker) throw new Error('useTracker needs app.use(milepost(tracker))');
  return tracker;
}

/**
 * The visitor's own journey, kept up to date; needs the plug-in `journey()`. Undefined until it is known: that is also
 * what a server renders, unless it passes what it knows as `initial`.
 */
export function useJourney(initial?: Journey): Readonly<ShallowRef<Journey | undefined>> {
  const tracker = useTracker() as Reading;
  const journey = shallowRef(initial);
  const change = (event: Event) => {
    journey.value = (event as CustomEvent<Journey | undefined>).detail;
  };
  onMounted(() => {
    addEventListener(journeyEvent, change);
    void tracker.journey?.().then((now) => {
      if (now) journey.value = now;
    });
  });
  onUnmounted(() => removeEventListener(journeyEvent, change));
  return journey;
}
