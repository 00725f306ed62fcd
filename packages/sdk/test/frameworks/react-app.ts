import { createElement, StrictMode, useState } from 'react';
import type { Journey } from '../../src/plugins/journey.ts';
import { TrackerProvider, useJourney, useTracker } from '../../src/react.ts';
import type { Tracker } from '../../src/types.ts';

// a shop's component, as one would write it

function Offer({ initial }: { initial?: Journey | undefined }) {
  const milepost = useTracker();
  const journey = useJourney(initial);
  return createElement(
    'button',
    { onClick: () => milepost.addToCart({ cart_id: 'c1', items: [{ item_id: 'SKU1' }] }) },
    `stage: ${journey?.stage ?? 'unknown'}`,
  );
}

function Shop({ initial }: { initial?: Journey | undefined }) {
  const [isOpen, setIsOpen] = useState(true);
  return createElement(
    'main',
    {},
    createElement('a', { id: 'toggle', onClick: () => setIsOpen(!isOpen) }, 'toggle'),
    isOpen && createElement(Offer, { initial }),
  );
}

/** The app, for a browser and a server alike. */
export function app(tracker: Tracker, initial?: Journey) {
  return createElement(
    StrictMode,
    {},
    createElement(TrackerProvider, { tracker }, createElement(Shop, { initial })),
  );
}

/** A component that has forgotten the provider. */
export const orphan = () => createElement(Offer, {});
