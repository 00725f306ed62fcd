import { createSSRApp, defineComponent, h, ref } from 'vue';
import type { Journey } from '../../src/plugins/journey.ts';
import type { Tracker } from '../../src/types.ts';
import { milepost, useJourney, useTracker } from '../../src/vue.ts';

// a shop's component, as one would write it

const offer = (initial?: Journey) =>
  defineComponent(() => {
    const tracker = useTracker();
    const journey = useJourney(initial);
    return () =>
      h(
        'button',
        { onClick: () => tracker.addToCart({ cart_id: 'c1', items: [{ item_id: 'SKU1' }] }) },
        `stage: ${journey.value?.stage ?? 'unknown'}`,
      );
  });

/** The app, for a browser and a server alike. */
export function app(tracker: Tracker, initial?: Journey) {
  const Offer = offer(initial);
  const shop = defineComponent(() => {
    const isOpen = ref(true);
    return () =>
      h('main', {}, [
        h('a', { id: 'toggle', onClick: () => (isOpen.value = !isOpen.value) }, 'toggle'),
        isOpen.value ? h(Offer) : null,
      ]);
  });
  return createSSRApp(shop).use(milepost(tracker));
}

/** An app that has forgotten to install the plug-in. */
export function orphan() {
  const app = createSSRApp(offer());
  app.config.warnHandler = () => {}; // the error itself says it
  return app;
}
