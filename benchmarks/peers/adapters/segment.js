import { AnalyticsBrowser } from '@segment/analytics-next';

let tracker;
// settings inline: nothing is fetched from elsewhere
export function start(url) {
  const apiHost = `${url.replace('http://', '')}/v1`;
  const settings = { apiKey: 'bench', apiHost, protocol: 'http', unbundledIntegrations: [] };
  tracker = AnalyticsBrowser.load(
    { writeKey: 'bench', cdnSettings: { integrations: { 'Segment.io': settings } } },
    { integrations: { 'Segment.io': { apiHost, protocol: 'http' } } },
  );
  void tracker.page();
}
export const track = (mark, filler) => void tracker.track('bench', { mark, filler });
export const identify = (id) => void tracker.identify(id);
