declare global {
  interface Document {
    readonly prerendering?: boolean;
  }
}

/** What happens to a page. */
export type PageEvents = {
  /** Hidden or left: perhaps the last moment there is. May come twice for one end. */
  onHide: () => void;
  /** Shown again, or for the first time after prerendering. */
  onShow: () => void;
  /** In or out of the foreground. */
  onFocus: () => void;
  /** The network is back. */
  onOnline: () => void;
};

/** Tells what happens to the page. No `unload`: it would keep the page out of the back/forward cache. */
export function watchLifecycle(page: Document, { onHide, onShow, onFocus, onOnline }: PageEvents): void {
  addEventListener('pagehide', onHide);
  addEventListener('pageshow', onShow);
  page.addEventListener('visibilitychange', () => (page.visibilityState === 'hidden' ? onHide() : onShow()));
  page.addEventListener('prerenderingchange', onShow);
  addEventListener('focus', onFocus);
  addEventListener('blur', onFocus);
  addEventListener('online', onOnline);
}

/**
 * Tells when the visitor may have come to another page: the address was changed by a script or by going back or
 * forward, or the page came out of the back/forward cache (`isRestored`).
 */
export function watchAddress(onMove: (move: { isRestored: boolean }) => void): void {
  // routers set the title after the address, and often redirect at once: look when they have finished
  const look = () => setTimeout(() => onMove({ isRestored: false }));
  for (const name of ['pushState', 'replaceState'] as const) {
    const original = history[name];
    history[name] = function (...state) {
      original.apply(this, state);
      look();
    };
  }
  addEventListener('popstate', look);
  addEventListener('pageshow', ({ persisted }) => persisted && onMove({ isRestored: true }));
}
