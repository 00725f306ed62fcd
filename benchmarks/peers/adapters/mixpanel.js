import mixpanel from 'mixpanel-browser/dist/mixpanel-core.cjs.js';

export function start(url) {
  mixpanel.init('bench', {
    api_host: url,
    track_pageview: true,
    autocapture: false,
    persistence: 'localStorage',
  });
}
export const track = (mark, filler) => mixpanel.track('bench', { mark, filler });
export const identify = (id) => mixpanel.identify(id);
