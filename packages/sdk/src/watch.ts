declare global {
  interface Document {
    readonly prerendering?: boolean;
  }
}

// some events of the document rise to the window
type Events = WindowEventMap & DocumentEventMap;

/** Listens to what happens to the page. No `unload`: it would keep the page out of the back/forward cache. */
export function listen(listeners: {
  [Name in keyof Events]?: (event: Events[Name]) => void;
}): void {
  for (const name in listeners) addEventListener(name, listeners[name as 'online'] as EventListener);
}

/** Tells when the address may have changed without a new document: by a script, or by going back or forward. */
export function watchAddress(onMove: () => void): void {
  // routers set the title after the address, and often redirect at once: look when they have finished
  const look = () => setTimeout(onMove);
  if (globalThis.navigation) navigation.addEventListener('currententrychange', look);
  else {
    for (const name of ['pushState', 'replaceState'] as const) {
      const original = history[name];
      history[name] = function (...state) {
        original.apply(this, state);
        look();
      };
    }
    addEventListener('popstate', look);
  }
}
