import { newTracker, setUserId, trackPageView, trackStructEvent } from '@snowplow/browser-tracker';

export function start(url) {
  newTracker('bench', url, { appId: 'bench', encodeBase64: false });
  trackPageView();
}
export const track = (mark, filler) => trackStructEvent({ category: 'bench', action: mark, label: filler });
export const identify = (id) => {
  setUserId(id);
  trackStructEvent({ category: 'bench', action: 'identify' });
};
